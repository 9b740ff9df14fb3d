// What the launches of the tensor-core variants share.
#pragma once

#include <algorithm>

#include "cuda/device/pair_work.cuh"
#include "cuda/residency.h"
#include "cuda/status.h"
#include "cuda/tensor_pairs.h"

namespace qaconv::cuda {

inline int64_t up_to(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

// The rows of a probe map: blocks of equal size, each of as many warps as it needs.
struct RowPlan {
    int blocks, warps;
    explicit RowPlan(int64_t locations) {
        const int64_t needed = (locations + kWarpRows - 1) / kWarpRows;
        blocks = static_cast<int>((needed + kMaxWarps - 1) / kMaxWarps);
        warps = static_cast<int>((needed + blocks - 1) / blocks);
    }
    int rows() const { return blocks * warps * kWarpRows; }
};

inline int64_t pair_memory_bytes(int64_t probe_locations, int64_t gallery_locations,
                                 bool positions) {
    const RowPlan plan(probe_locations);
    const int pitch = static_cast<int>(up_to(gallery_locations, kUnit));
    return positions ? PairMemory<true>::bytes(plan.rows(), pitch, plan.warps)
                     : PairMemory<false>::bytes(plan.rows(), pitch, plan.warps);
}

// Thread blocks of a launch: no more than there are tasks, of so many probe maps and a run.
inline unsigned blocks_of(const PairSets& sets, int64_t probes_of_task, int32_t run,
                          int64_t slots) {
    const int64_t probes = (sets.probe.count + probes_of_task - 1) / probes_of_task;
    return static_cast<unsigned>(std::min(slots, (sets.gallery.count + run - 1) / run * probes));
}

// Of the variants whose warps have 48 rows each: as many thread blocks as the device holds at once,
// each taking every so-manieth task.
template <typename Epilogue>
Status launch_pairs(void (*kernel)(PairWork, Epilogue), const PairSets& sets,
                    const Epilogue& epilogue, int64_t shared_bytes, cudaStream_t stream) {
    const RowPlan plan(sets.probe.locations);
    const int threads = plan.warps * 32;
    const int64_t slots =
        residency_of(reinterpret_cast<const void*>(kernel), threads, shared_bytes).slots();
    // Long runs read a probe map seldom; some tasks for every slot keep all of them busy.
    const int64_t pairs = sets.probe.count * sets.gallery.count;
    const auto busy = static_cast<int32_t>(std::clamp<int64_t>(pairs / (slots * 8), 1, 64));
    const PairWork work{sets.probe,     sets.gallery,
                        sets.triangle,  sets.run > 0 ? sets.run : busy,
                        plan.blocks,    static_cast<int32_t>(up_to(sets.gallery.locations, kUnit)),
                        sets.left_over, 0.0f};
    return launch(kernel, blocks_of(sets, 1, work.run, slots), threads, shared_bytes, stream, work,
                  epilogue);
}

}  // namespace qaconv::cuda
