#include "cuda/status.h"

#include "cuda/kernels.h"

namespace qaconv::cuda {
namespace {

thread_local cudaError_t last_failure = cudaSuccess;

}  // namespace

Status failed(cudaError_t error) {
    last_failure = error;
    return Status::kLaunchFailed;
}

const char* last_error() { return cudaGetErrorString(last_failure); }

}  // namespace qaconv::cuda
