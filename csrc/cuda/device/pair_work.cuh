// How the pairs of a match are dealt to thread blocks, and what a block keeps of a pair.
#pragma once

#include "cuda/device/epilogues.cuh"
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
    int32_t column_pitch;  // gallery locations, filled up to a unit
    int32_t* left_over;    // to be set where a pair is left to the plain variant
    float zero;
};

// Whether a pair is left to the plain variant for one of its maps is out of range, which is then
// said.
__device__ inline bool leave_to_fallback(const PairWork& work, int64_t p, int64_t g) {
    const bool fallback =
        work.probe.magnitudes.needs_fallback(p) || work.gallery.magnitudes.needs_fallback(g);
    if (fallback && threadIdx.x % 32 == 0) *work.left_over = 1;  // whoever comes: the same value
    return fallback;
}
// The same for all pairs of a probe map.
__device__ inline bool probe_needs_fallback(const PairWork& work, int64_t p) {
    const bool fallback = work.probe.magnitudes.needs_fallback(p);
    if (fallback && threadIdx.x == 0) *work.left_over = 1;
    return fallback;
}
// What the correlations of a pair are to be multiplied by.
__device__ inline float scale_of(const PairWork& work, int64_t p, int64_t g) {
    return __uint_as_float(work.probe.magnitudes.scale_bits(p)) *
           __uint_as_float(work.gallery.magnitudes.scale_bits(g));
}

// A task of a thread block, which takes every so-manieth. Numbers of maps fit 32 bits (kMostMaps).
struct Task {
    int32_t p, first;

    __device__ explicit Task(const PairWork& work) : p(0), first(0) { step(work, blockIdx.x); }
    __device__ void next(const PairWork& work) { step(work, gridDim.x); }
    __device__ bool is_there(const PairWork& work) const { return first < work.gallery.count; }

    // The gallery maps [begin, end); of a triangle there may be none.
    __device__ int32_t begin(const PairWork& work) const {
        return work.triangle ? max(first, p) : first;
    }
    __device__ int32_t end(const PairWork& work) const {
        return min(first + work.run, static_cast<int32_t>(work.gallery.count));
    }

  private:
    __device__ void step(const PairWork& work, uint32_t tasks) {
        const uint32_t probes = static_cast<uint32_t>(work.probe.count), at = p + tasks;
        first += at / probes * work.run;
        p = at % probes;
    }
};

// The maxima of two pairs, in shared memory: the one being computed, and the one before it, which
// is handed over meanwhile.
template <bool kPositions>
class PairMemory {
  public:
    static __host__ __device__ int bytes(int rows, int column_pitch, int warps) {
        return 2 * (BestArray<kPositions>::bytes(rows) +
                    BestArray<kPositions>::bytes(warps * column_pitch));
    }

    __device__ PairMemory(unsigned char* memory, const PairWork& work)
        : memory_(memory), work_(work) {}

    __device__ void next_pair() { turn_ ^= 1; }
    __device__ BestArray<kPositions> rows() const {
        return BestArray<kPositions>::at(half(), row_count());
    }
    __device__ BestArray<kPositions> columns_of_warp(int warp) const {
        return columns().from(warp * work_.column_pitch);
    }
    // Of the pair being computed, when all warps have stored theirs.
    __device__ PairMaxima<kPositions> maxima(float scale) const {
        return {rows(),
                columns(),
                warps(),
                static_cast<int>(threadIdx.x),
                static_cast<int>(blockDim.x),
                work_.column_pitch,
                scale,
                nullptr};
    }

    // Computed where it is needed: a kernel that keeps fragments has no registers to spare.
    __device__ static int warps() { return blockDim.x / 32; }

  private:
    __device__ int row_count() const { return work_.row_blocks * warps() * kWarpRows; }
    __device__ unsigned char* half() const {
        return memory_ + turn_ * (bytes(row_count(), work_.column_pitch, warps()) / 2);
    }
    __device__ BestArray<kPositions> columns() const {
        return BestArray<kPositions>::at(half() + BestArray<kPositions>::bytes(row_count()),
                                         warps() * work_.column_pitch);
    }

    unsigned char* memory_;
    const PairWork& work_;
    int turn_ = 0;
};

// Hands a finished pair to the epilogue: planes are written by all warps, a score by one, another
// one for each pair. Pairs of a map out of range are left to the plain variant.
template <typename Epilogue>
__device__ void hand_over(const PairWork& work, const Epilogue& epilogue, int64_t p, int64_t g,
                          const PairMemory<Epilogue::kPositions>& memory) {
    if (leave_to_fallback(work, p, g)) return;
    const uint32_t warps = blockDim.x / 32;
    if (!Epilogue::kPositions && threadIdx.x / 32 != static_cast<uint32_t>(g) % warps) return;
    epilogue.take(p, g, memory.maxima(scale_of(work, p, g)));
}

}  // namespace qaconv::cuda
