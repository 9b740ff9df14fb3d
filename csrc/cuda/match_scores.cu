#include "cuda/device/best_partner.cuh"
#include "cuda/device/pair_grid.cuh"
#include "cuda/kernels.h"
#include "cuda/pack.h"

namespace qaconv::cuda {
namespace {

// The weighed sum of one direction's maxima, in thread (0, 0). Each row of the block sums its
// places in ascending order, then the rows are summed in order: the same bits for (a, b) and
// (b, a), and whatever the grid.
template <typename T>
__device__ T weighed_maxima(PackedMap<T> own, PackedMap<T> partner, int64_t channels,
                            const T* weight) {
    __shared__ T row_sums[kTile];
    T sum = 0;
    for_each_best_partner(own, partner, channels, [&](int64_t place, const Maximum<T>& best) {
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

template <typename T>
struct Side {
    const T* maps;    // packed
    const T* weight;  // [places]
    int64_t count;
    int64_t places;
};

// `distance`: the two sides are the same set; minus the scores are stored, the triangle mirrored.
template <typename T>
__global__ void match_scores_kernel(Side<T> probe, Side<T> gallery, int64_t channels, const T* bias,
                                    bool distance, T* out) {
    for (int64_t pair = blockIdx.x; pair < probe.count * gallery.count; pair += gridDim.x) {
        const int64_t p = pair / gallery.count, g = pair % gallery.count;
        if (distance && g < p) continue;
        const PackedMap<T> a{probe.maps + p * probe.places * channels, probe.places};
        const PackedMap<T> b{gallery.maps + g * gallery.places * channels, gallery.places};
        const T over_gallery = weighed_maxima(a, b, channels, probe.weight);
        const T over_probe = weighed_maxima(b, a, channels, gallery.weight);
        if (threadIdx.x == 0 && threadIdx.y == 0) {
            const T score = (over_gallery + over_probe) + *bias;
            out[pair] = distance ? -score : score;
            if (distance) out[g * gallery.count + p] = -score;
        }
    }
}

template <typename T>
Status launch(const Side<T>& probe, const Side<T>& gallery, int64_t channels, const void* bias,
              bool distance, void* out, cudaStream_t stream) {
    match_scores_kernel<T>
        <<<blocks_for(probe.count * gallery.count), dim3(kTile, kTile), 0, stream>>>(
            probe, gallery, channels, static_cast<const T*>(bias), distance, static_cast<T*>(out));
    return launch_status();
}

template <typename T>
Status match_scores_as(const MatchScoresParams& params, T* workspace, cudaStream_t stream) {
    const Maps &probe = params.probe, &gallery = params.gallery;
    if (probe.count == 0 || gallery.count == 0) return Status::kOk;
    T* packed_gallery = workspace + packed_size(probe);
    Status status = pack<T>(probe, workspace, stream);
    if (status == Status::kOk) status = pack<T>(gallery, packed_gallery, stream);
    if (status != Status::kOk) return status;
    return launch<T>(
        {workspace, static_cast<const T*>(params.probe_weight), probe.count, probe.places},
        {packed_gallery, static_cast<const T*>(params.gallery_weight), gallery.count,
         gallery.places},
        probe.channels, params.bias, false, params.scores, stream);
}

template <typename T>
Status pairwise_distance_as(const PairwiseDistanceParams& params, T* workspace,
                            cudaStream_t stream) {
    const Maps& maps = params.features;
    if (maps.count == 0) return Status::kOk;
    const Status status = pack<T>(maps, workspace, stream);
    if (status != Status::kOk) return status;
    const Side<T> side{workspace, static_cast<const T*>(params.weight), maps.count, maps.places};
    return launch<T>(side, side, maps.channels, params.bias, true, params.distances, stream);
}

}  // namespace

int64_t match_scores_workspace(const MatchScoresParams& params) {
    return packed_bytes(params.probe) + packed_bytes(params.gallery);
}

Status match_scores(const MatchScoresParams& params, void* workspace, Stream stream) {
    const auto cuda_stream = static_cast<cudaStream_t>(stream);
    return computes_in_double(params.probe.dtype)
               ? match_scores_as(params, static_cast<double*>(workspace), cuda_stream)
               : match_scores_as(params, static_cast<float*>(workspace), cuda_stream);
}

int64_t pairwise_distance_workspace(const PairwiseDistanceParams& params) {
    return packed_bytes(params.features);
}

Status pairwise_distance(const PairwiseDistanceParams& params, void* workspace, Stream stream) {
    const auto cuda_stream = static_cast<cudaStream_t>(stream);
    return computes_in_double(params.features.dtype)
               ? pairwise_distance_as(params, static_cast<double*>(workspace), cuda_stream)
               : pairwise_distance_as(params, static_cast<float*>(workspace), cuda_stream);
}

}  // namespace qaconv::cuda
