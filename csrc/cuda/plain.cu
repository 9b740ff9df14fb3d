#include "cuda/plain.h"

#include <algorithm>

#include "cuda/device/best_partner.cuh"
#include "cuda/device/epilogues.cuh"
#include "cuda/status.h"

namespace qaconv::cuda {
namespace {

// Both planes of a pair.
template <typename T, typename View>
__device__ void compute(const Planes<T>& planes, int64_t p, int64_t g, const View& probe,
                        const View& gallery) {
    const int64_t pair = p * planes.galleries + g;
    for_each_best_partner(probe, gallery, [&](int64_t location, const Maximum<T>& best) {
        planes.over_gallery.store(pair, location, best.value, best.index);
    });
    const int64_t turned = planes.self ? g * planes.galleries + p : pair;
    for_each_best_partner(gallery, probe, [&](int64_t location, const Maximum<T>& best) {
        planes.over_probe.store(turned, location, best.value, best.index);
    });
}

// The weighted sum of one direction's maxima, in thread (0, 0). Each row of the block sums its
// locations in ascending order, then the rows are summed in order: the same bits for (a, b) and
// (b, a), and whatever the grid.
template <typename T, typename View>
__device__ T weighted_maxima(const View& own, const View& partner, const T* weight) {
    __shared__ T row_sums[kTile];
    T sum = 0;
    for_each_best_partner(own, partner, [&](int64_t location, const Maximum<T>& best) {
        sum = fma(weight[location], best.value, sum);
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
    const T over_gallery = weighted_maxima(probe, gallery, scores.probe_weight);
    const T over_probe = weighted_maxima(gallery, probe, scores.gallery_weight);
    if (threadIdx.x == 0 && threadIdx.y == 0) {
        scores.store(p, g, (over_gallery + over_probe) + *scores.bias);
    }
}

template <typename T, typename Source, typename Epilogue>
__global__ void plain_kernel(Maps probe, Maps gallery, bool triangle, FallbackMaps fallback,
                             Epilogue epilogue) {
    if (fallback.any != nullptr && *fallback.any == 0) return;
    for (int64_t pair = blockIdx.x; pair < probe.count * gallery.count; pair += gridDim.x) {
        const int64_t p = pair / gallery.count, g = pair % gallery.count;
        if (triangle && g < p) continue;
        if (fallback.any != nullptr && !fallback.probe.needs_fallback(p) &&
            !fallback.gallery.needs_fallback(g) && !epilogue.is_left_over(p, g)) {
            continue;
        }
        compute(epilogue, p, g, MapView<T, Source>(probe, p), MapView<T, Source>(gallery, g));
    }
}

}  // namespace

template <typename Epilogue>
Status launch_plain(const Maps& probe, const Maps& gallery, bool triangle,
                    const FallbackMaps* fallback, const Epilogue& epilogue, cudaStream_t stream) {
    // Blocks that look for pairs out of range are few, for most often there are none.
    const int64_t most = fallback == nullptr ? int64_t(1) << 20 : 1024;
    const auto blocks = static_cast<unsigned>(std::min(probe.count * gallery.count, most));
    const FallbackMaps which = fallback == nullptr ? FallbackMaps{} : *fallback;
    const auto launch_it = [&](auto kernel) {
        return launch(kernel, blocks, dim3(kTile, kTile), 0, stream, probe, gallery, triangle,
                      which, epilogue);
    };
    if constexpr (Epilogue::kDouble) {
        return launch_it(plain_kernel<double, double, Epilogue>);
    } else {
        switch (probe.dtype) {
            case DType::kFloat16:
                return launch_it(plain_kernel<float, __half, Epilogue>);
            case DType::kBFloat16:
                return launch_it(plain_kernel<float, __nv_bfloat16, Epilogue>);
            case DType::kFloat32:
            case DType::kFloat64:  // goes to an epilogue of doubles
                break;
        }
        return launch_it(plain_kernel<float, float, Epilogue>);
    }
}

template Status launch_plain(const Maps&, const Maps&, bool, const FallbackMaps*,
                             const Planes<float>&, cudaStream_t);
template Status launch_plain(const Maps&, const Maps&, bool, const FallbackMaps*,
                             const Planes<double>&, cudaStream_t);
template Status launch_plain(const Maps&, const Maps&, bool, const FallbackMaps*,
                             const Scores<float>&, cudaStream_t);
template Status launch_plain(const Maps&, const Maps&, bool, const FallbackMaps*,
                             const Scores<double>&, cudaStream_t);

}  // namespace qaconv::cuda
