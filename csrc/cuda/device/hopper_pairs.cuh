// What the Hopper variants share: tiles, tasks, the slots of a ring, and how many gallery maps a
// task has.
#pragma once

#include <cstdint>

#include "cuda/device/pair_work.cuh"
#include "cuda/device/warpgroup_tile.cuh"
#include "cuda/tensor_pairs.h"

namespace qaconv::cuda {

constexpr int kGroupThreads = kGroupWarps * 32;
constexpr int kMatrixBytes = 128;
constexpr int kTileLocations = 64;
constexpr int kPieceBytes = kTileLocations * 16;          // 8 channels of all locations of a tile
constexpr int kStepOfDescription = 2 * kPieceBytes >> 4;  // from 16 channels to the next
static_assert(kTileLocations == kTiledLocations && kTileLocations == kGroupRows &&
                  kTileLocations == kGroupColumns,
              "a tile is what a warpgroup multiplies, and what it multiplies by");

__host__ __device__ inline int tiles_of(int64_t locations) {
    return static_cast<int>((locations + kTileLocations - 1) / kTileLocations);
}

// Tasks: kProbes probe maps and a run of gallery maps. Tasks of the same run follow each other, so
// that blocks at work at the same time read the same gallery maps, from the second-level cache. Of
// a triangle there are those alone that have a pair with p <= g.
template <int kProbes>
class RunTask {
  public:
    __device__ explicit RunTask(const PairWork& work) : work_(work) { step(blockIdx.x); }
    __device__ void next() { step(gridDim.x); }
    __device__ bool is_there() const { return first_ < work_.gallery.count; }

    __device__ int32_t probe(int which) const { return kProbes * at_ + which; }
    __device__ int32_t begin() const {
        return work_.triangle ? max(first_, kProbes * at_) : first_;
    }
    __device__ int32_t end() const {
        return min(first_ + work_.run, static_cast<int32_t>(work_.gallery.count));
    }

    // The last task may have a probe map too many, and a triangle's task gallery maps too many.
    __device__ bool is_wanted(int32_t p, int32_t g) const {
        return p < work_.probe.count && !(work_.triangle && g < p) &&
               !leave_to_fallback(work_, p, g);
    }

  private:
    // Of the present run.
    __device__ int32_t count() const {
        const int32_t probes = work_.triangle ? end() : static_cast<int32_t>(work_.probe.count);
        return (probes + kProbes - 1) / kProbes;
    }
    __device__ void step(int32_t tasks) {
        at_ += tasks;
        for (int32_t of_run = count(); is_there() && at_ >= of_run; of_run = count()) {
            at_ -= of_run;
            first_ += work_.run;
        }
    }

    const PairWork& work_;
    int32_t at_ = 0, first_ = 0;
};

// The slots of a ring one after the other, and the parity of the phase of the present round.
template <int kSlots>
struct Slot {
    int number = 0;
    uint32_t parity = 0;

    __device__ void advance() {
        if (++number < kSlots) return;
        number = 0;
        parity ^= 1;
    }
};

// Gallery maps of a task, such that the last round of tasks is as full as the others; while a task
// begins, so many pairs' time goes by.
inline int32_t best_run(const PairSets& sets, int64_t probes_of_task, int64_t slots,
                        double beginning) {
    if (sets.run > 0) return sets.run;
    const int64_t probes = (sets.probe.count + probes_of_task - 1) / probes_of_task;
    int64_t best = 1;
    double least = 0;
    for (int64_t run = 1; run <= 64; ++run) {
        const int64_t runs = (sets.gallery.count + run - 1) / run;
        const int64_t tasks = sets.triangle ? (runs * (probes + 1) + 1) / 2 : runs * probes;
        const double time = static_cast<double>((tasks + slots - 1) / slots) *
                            (static_cast<double>(run) + beginning);
        if (run == 1 || time <= least) {
            least = time;
            best = run;
        }
        if (run >= sets.gallery.count) break;
    }
    return static_cast<int32_t>(best);
}

}  // namespace qaconv::cuda
