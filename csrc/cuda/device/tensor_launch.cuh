// What the launches of the tensor-core texts share.
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
    explicit RowPlan(int64_t places) {
        const int64_t needed = (places + kWarpRows - 1) / kWarpRows;
        blocks = static_cast<int>((needed + kMaxWarps - 1) / kMaxWarps);
        warps = static_cast<int>((needed + blocks - 1) / blocks);
    }
    int rows() const { return blocks * warps * kWarpRows; }
};

inline int64_t pair_memory_bytes(int64_t probe_places, int64_t gallery_places, bool positions) {
    const RowPlan plan(probe_places);
    const int pitch = static_cast<int>(up_to(gallery_places, kUnit));
    return positions ? PairMemory<true>::bytes(plan.rows(), pitch, plan.warps)
                     : PairMemory<false>::bytes(plan.rows(), pitch, plan.warps);
}

struct BlockPlan {
    int threads, row_blocks, column_pitch, shared_bytes;
};

// As many thread blocks as the device holds at once, each taking every so-manieth task.
template <typename Sink>
Status launch_tasks(void (*kernel)(PairWork, Sink), const PairSets& sets, const Sink& sink,
                    const BlockPlan& plan, cudaStream_t stream) {
    const int threads = plan.threads, bytes = plan.shared_bytes;
    const Residency device = residency_of(reinterpret_cast<const void*>(kernel), threads, bytes);
    const int64_t slots = int64_t(device.processors) * device.blocks;
    // Long runs read a probe map seldom; some tasks for every slot keep all of them busy.
    const int64_t probes = sets.probe.count, galleries = sets.gallery.count;
    const int64_t busy = std::clamp<int64_t>(probes * galleries / (slots * 8), 1, 64);
    const int64_t run = sets.run > 0 ? sets.run : busy;
    const int64_t tasks = (galleries + run - 1) / run * probes;
    const PairWork work{
        sets.probe,      sets.gallery,      sets.triangle,  static_cast<int32_t>(run),
        plan.row_blocks, plan.column_pitch, sets.left_over, 0.0f};
    const auto blocks = static_cast<unsigned>(std::min(slots, tasks));
    return launch(kernel, blocks, threads, bytes, stream, work, sink);
}

// The same for the texts whose warps have 48 rows each.
template <typename Sink>
Status launch_pairs(void (*kernel)(PairWork, Sink), const PairSets& sets, const Sink& sink,
                    int64_t shared_bytes, cudaStream_t stream) {
    const RowPlan plan(sets.probe.places);
    const int pitch = static_cast<int>(up_to(sets.gallery.places, kUnit));
    return launch_tasks(kernel, sets, sink,
                        {plan.warps * 32, plan.blocks, pitch, static_cast<int>(shared_bytes)},
                        stream);
}

}  // namespace qaconv::cuda
