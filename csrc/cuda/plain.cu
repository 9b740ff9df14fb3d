#include "cuda/plain.h"

#include <algorithm>

#include "cuda/device/best_partner.cuh"
#include "cuda/device/sinks.cuh"
#include "cuda/status.h"

namespace qaconv::cuda {
namespace {

// Both planes of a pair.
template <typename T, typename View>
__device__ void compute(const Planes<T>& planes, int64_t p, int64_t g, const View& probe,
                        const View& gallery) {
    const int64_t pair = p * planes.galleries + g;
    for_each_best_partner(probe, gallery, [&](int64_t place, const Maximum<T>& best) {
        planes.over_gallery.store(pair, place, best.value, best.index);
    });
    const int64_t turned = planes.self ? g * planes.galleries + p : pair;
    for_each_best_partner(gallery, probe, [&](int64_t place, const Maximum<T>& best) {
        planes.over_probe.store(turned, place, best.value, best.index);
    });
}

// The weighed sum of one direction's maxima, in thread (0, 0). Each row of the block sums its
// places in ascending order, then the rows are summed in order: the same bits for (a, b) and
// (b, a), and whatever the grid.
template <typename T, typename View>
__device__ T weighed_maxima(const View& own, const View& partner, const T* weight) {
    __shared__ T row_sums[kTile];
    T sum = 0;
    for_each_best_partner(own, partner, [&](int64_t place, const Maximum<T>& best) {
        sum = fma(weight[place], best.value, sum);
    });
    if (threadIdx.x == 0) row_sums[threadIdx.y] = sum;
    __syncthreads();
    T total = 0;
    if (threadIdx.x == 0 && threadIdx.y == 0) {
        for (int row = 0; row < kTile; ++row) total += row_sums[row];
    }
    __syncthreads();  // row_sums are written again by the next call
    return total;
}

template <typename T, typename View>
__device__ void compute(const Scores<T>& scores, int64_t p, int64_t g, const View& probe,
                        const View& gallery) {
    const T over_gallery = weighed_maxima(probe, gallery, scores.probe_weight);
    const T over_probe = weighed_maxima(gallery, probe, scores.gallery_weight);
    if (threadIdx.x == 0 && threadIdx.y == 0) {
        scores.store(p, g, (over_gallery + over_probe) + *scores.bias);
    }
}

template <typename T, typename Source, typename Sink>
__global__ void plain_kernel(Maps probe, Maps gallery, bool triangle, WildMaps wild, Sink sink) {
    if (wild.any != nullptr && *wild.any == 0) return;
    for (int64_t pair = blockIdx.x; pair < probe.count * gallery.count; pair += gridDim.x) {
        const int64_t p = pair / gallery.count, g = pair % gallery.count;
        if (triangle && g < p) continue;
        if (wild.any != nullptr && !wild.probe.is_wild(p) && !wild.gallery.is_wild(g) &&
            !sink.is_left_over(p, g)) {
            continue;
        }
        compute(sink, p, g, MapView<T, Source>(probe, p), MapView<T, Source>(gallery, g));
    }
}

}  // namespace

template <typename Sink>
Status launch_plain(const Maps& probe, const Maps& gallery, bool triangle, const WildMaps* wild,
                    const Sink& sink, cudaStream_t stream) {
    // Blocks that look for wild pairs are few, for most often there are none.
    const int64_t most = wild == nullptr ? int64_t(1) << 20 : 1024;
    const auto blocks = static_cast<unsigned>(std::min(probe.count * gallery.count, most));
    const WildMaps which = wild == nullptr ? WildMaps{} : *wild;
    const auto launch_it = [&](auto kernel) {
        return launch(kernel, blocks, dim3(kTile, kTile), 0, stream, probe, gallery, triangle,
                      which, sink);
    };
    if constexpr (Sink::kDouble) {
        return launch_it(plain_kernel<double, double, Sink>);
    } else {
        switch (probe.dtype) {
            case DType::kFloat16:
                return launch_it(plain_kernel<float, __half, Sink>);
            case DType::kBFloat16:
                return launch_it(plain_kernel<float, __nv_bfloat16, Sink>);
            case DType::kFloat32:
            case DType::kFloat64:  // goes to a sink of doubles
                break;
        }
        return launch_it(plain_kernel<float, float, Sink>);
    }
}

template Status launch_plain(const Maps&, const Maps&, bool, const WildMaps*, const Planes<float>&,
                             cudaStream_t);
template Status launch_plain(const Maps&, const Maps&, bool, const WildMaps*, const Planes<double>&,
                             cudaStream_t);
template Status launch_plain(const Maps&, const Maps&, bool, const WildMaps*, const Scores<float>&,
                             cudaStream_t);
template Status launch_plain(const Maps&, const Maps&, bool, const WildMaps*, const Scores<double>&,
                             cudaStream_t);

}  // namespace qaconv::cuda
