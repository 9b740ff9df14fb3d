// Numbers of any storage type in the type of the sums.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace qaconv::cuda {

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

}  // namespace qaconv::cuda
