#include "cuda/pack.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>

#include "cuda/kernels.h"

namespace qaconv::cuda {
namespace {

thread_local cudaError_t last_failure = cudaSuccess;

constexpr int kThreads = 256;

// By name: torch's build switches the implicit conversions of the half types off.
template <typename T>
__device__ T widen(float value) {
    return value;
}
template <typename T>
__device__ T widen(double value) {
    return static_cast<T>(value);
}
template <typename T>
__device__ T widen(__half value) {
    return __half2float(value);
}
template <typename T>
__device__ T widen(__nv_bfloat16 value) {
    return __bfloat162float(value);
}

template <typename T, typename Source>
__global__ void pack_kernel(Maps maps, T* out, int64_t size) {
    const Source* source = static_cast<const Source*>(maps.data);
    const int64_t step = int64_t(gridDim.x) * blockDim.x;
    for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < size; i += step) {
        const int64_t c = i % maps.channels;
        const int64_t s = i / maps.channels % maps.places;
        const int64_t n = i / maps.channels / maps.places;
        out[i] =
            widen<T>(source[n * maps.map_stride + c * maps.channel_stride + s * maps.place_stride]);
    }
}

template <typename T, typename Source>
void launch(const Maps& maps, T* out, cudaStream_t stream) {
    const int64_t size = packed_size(maps);
    const int64_t blocks = std::min<int64_t>((size + kThreads - 1) / kThreads, 1 << 16);
    pack_kernel<T, Source><<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(maps, out, size);
}

}  // namespace

Status launch_status() {
    const cudaError_t error = cudaGetLastError();
    if (error == cudaSuccess) return Status::kOk;
    last_failure = error;
    return Status::kLaunchFailed;
}

const char* last_error() { return cudaGetErrorString(last_failure); }

template <>
Status pack<double>(const Maps& maps, double* out, cudaStream_t stream) {
    if (packed_size(maps) == 0) return Status::kOk;
    launch<double, double>(maps, out, stream);
    return launch_status();
}

template <>
Status pack<float>(const Maps& maps, float* out, cudaStream_t stream) {
    if (packed_size(maps) == 0) return Status::kOk;
    switch (maps.dtype) {
        case DType::kFloat16:
            launch<float, __half>(maps, out, stream);
            break;
        case DType::kBFloat16:
            launch<float, __nv_bfloat16>(maps, out, stream);
            break;
        case DType::kFloat32:
        case DType::kFloat64:  // packed as double, above
            launch<float, float>(maps, out, stream);
    }
    return launch_status();
}

}  // namespace qaconv::cuda
