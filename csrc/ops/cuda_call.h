// What the CUDA glue adds to a request: the tensor's device, torch's current stream, a workspace
// from torch's allocator, and CUDA's own words where a launch failed.
#pragma once

#include <dlfcn.h>
#include <torch/csrc/stable/accelerator.h>

#include "cuda/kernels.h"
#include "ops/tensors.h"

namespace qaconv {

// libtorch_cuda exports the function, and this library must load where there is no libtorch_cuda:
// so it is looked up when first called, which is when there are CUDA tensors.
inline cuda::Stream current_stream(int32_t device) {
    using Get = AOTITorchError (*)(int32_t, void**);
    static const Get get = [] {
        void* library = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_NOLOAD);
        return library == nullptr
                   ? nullptr
                   : reinterpret_cast<Get>(dlsym(library, "aoti_torch_get_current_cuda_stream"));
    }();
    STD_TORCH_CHECK(get != nullptr, "qaconv: libtorch_cuda is not loaded");
    void* stream = nullptr;
    TORCH_ERROR_CODE_CHECK(get(device, &stream));
    return stream;
}

// Runs launch(params, workspace, stream) on the device of `maps`.
template <typename Params>
void call_cuda(const Tensor& maps, const Params& params, int64_t workspace_bytes,
               Status (*launch)(const Params&, void*, cuda::Stream)) {
    const torch::stable::accelerator::DeviceGuard guard(maps.get_device_index());
    const Tensor workspace = torch::stable::new_empty(maps, {workspace_bytes}, ScalarType::Byte);
    const Status status =
        launch(params, workspace.mutable_data_ptr(), current_stream(maps.get_device_index()));
    STD_TORCH_CHECK(status == Status::kOk, "qaconv: CUDA: ", cuda::last_error());
}

}  // namespace qaconv
