#include "cuda/status.h"

#include <cuda_runtime.h>

#include "cuda/kernels.h"

namespace qaconv::cuda {
namespace {

thread_local cudaError_t last_failure = cudaSuccess;

}  // namespace

Status launch_status() {
    const cudaError_t error = cudaGetLastError();
    if (error == cudaSuccess) return Status::kOk;
    last_failure = error;
    return Status::kLaunchFailed;
}

const char* last_error() { return cudaGetErrorString(last_failure); }

}  // namespace qaconv::cuda
