// How the pairs of a match are dealt to thread blocks, and what a block keeps of a pair.
#pragma once

#include "cuda/device/sinks.cuh"
#include "cuda/device/warp_tile.cuh"
#include "cuda/operands.h"

namespace qaconv::cuda {

// A task is one probe map and a run of gallery maps. Tasks of the same run follow each other, so
// that blocks at work at the same time read the same gallery maps, from the second-level cache.
struct PairWork {
    Operand probe, gallery;
    bool triangle;         // the two are the same set, and only pairs with p <= g are wanted
    int32_t run;           // gallery maps of a task
    int32_t row_blocks;    // a probe map is worked on in so many blocks of rows
    int32_t column_pitch;  // gallery places, filled up to a unit

    __host__ __device__ int64_t tasks() const {
        return (gallery.count + run - 1) / run * probe.count;
    }
};

struct Task {
    int64_t p, begin, end;  // the gallery maps [begin, end)
};

__device__ inline Task task_of(const PairWork& work, int64_t number) {
    const int64_t p = number % work.probe.count;
    const int64_t first = number / work.probe.count * work.run;
    return {p, work.triangle ? max(first, p) : first, min(first + work.run, work.gallery.count)};
}

// The maxima of two pairs, in shared memory: the one being computed, and the one before it, which
// is handed over meanwhile.
template <bool kPositions>
class PairMemory {
  public:
    static __host__ __device__ int bytes(int rows, int column_pitch, int warps) {
        return 2 * (BestArray<kPositions>::bytes(rows) +
                    BestArray<kPositions>::bytes(warps * column_pitch));
    }

    __device__ PairMemory(unsigned char* memory, int rows, int column_pitch, int warps)
        : memory_(memory), rows_(rows), pitch_(column_pitch), warps_(warps) {}

    __device__ void next_pair() { turn_ ^= 1; }
    __device__ BestArray<kPositions> rows() const { return rows_of(turn_); }
    __device__ BestArray<kPositions> columns_of_warp(int warp) const {
        return columns_of(turn_).from(warp * pitch_);
    }
    // Of the pair being computed, when all warps have stored theirs.
    __device__ PairMaxima<kPositions> maxima(float scale) const {
        return {rows_of(turn_), columns_of(turn_), warps_, pitch_, scale};
    }

  private:
    __device__ unsigned char* half(int turn) const {
        return memory_ + turn * (bytes(rows_, pitch_, warps_) / 2);
    }
    __device__ BestArray<kPositions> rows_of(int turn) const {
        return BestArray<kPositions>::at(half(turn), rows_);
    }
    __device__ BestArray<kPositions> columns_of(int turn) const {
        return BestArray<kPositions>::at(half(turn) + BestArray<kPositions>::bytes(rows_),
                                         warps_ * pitch_);
    }

    unsigned char* memory_;
    int rows_, pitch_, warps_, turn_ = 0;
};

// Hands a finished pair to the sink: planes are written by the whole block, a score by one warp,
// another one for each pair. Pairs of a wild map are left to the plain text.
template <typename Sink>
__device__ void hand_over(const PairWork& work, const Sink& sink, int64_t p, int64_t g,
                          const PairMemory<Sink::kPositions>& memory) {
    if (work.gallery.wild[g]) return;
    const int warps = blockDim.x / 32;
    if (!Sink::kPositions && threadIdx.x / 32 != g % warps) return;
    sink.take(p, g, memory.maxima(work.probe.scale[p] * work.gallery.scale[g]));
}

}  // namespace qaconv::cuda
