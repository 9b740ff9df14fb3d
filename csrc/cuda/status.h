// What became of a launch.
#pragma once

#include <cuda_runtime.h>

#include <utility>

#include "core/types.h"

namespace qaconv::cuda {

// Keeps the error for last_error(), of a call that did not succeed.
Status failed(cudaError_t error);

// Launches a kernel. What it says is of this launch alone: asked for the last error, CUDA would
// tell of other people's too, and they would not learn of it any more.
template <typename... Parameters, typename... Arguments>
Status launch(void (*kernel)(Parameters...), dim3 blocks, dim3 threads, int64_t shared_bytes,
              cudaStream_t stream, Arguments&&... arguments) {
    cudaLaunchConfig_t config{};
    config.gridDim = blocks;
    config.blockDim = threads;
    config.dynamicSmemBytes = static_cast<size_t>(shared_bytes);
    config.stream = stream;
    const cudaError_t error =
        cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...);
    return error == cudaSuccess ? Status::kOk : failed(error);
}

}  // namespace qaconv::cuda
