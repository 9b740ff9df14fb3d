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

// A kernel as the operators call it: it runs on the device of the maps.
template <typename Params>
struct CudaKernel {
    Status (*kernel)(const Params&, void* workspace, cuda::Stream);
    int64_t (*workspace_bytes)(const Params&);

    void operator()(const Tensor& maps, const Params& params) const {
        const int32_t device = maps.get_device_index();
        const torch::stable::accelerator::DeviceGuard guard(device);
        const Tensor workspace =
            torch::stable::new_empty(maps, {workspace_bytes(params)}, ScalarType::Byte);
        const Status status = kernel(params, workspace.mutable_data_ptr(), current_stream(device));
        STD_TORCH_CHECK(status == Status::kOk, "qaconv: CUDA: ", cuda::last_error());
    }
};

template <typename Params>
CudaKernel(Status (*)(const Params&, void*, cuda::Stream), int64_t (*)(const Params&))
    -> CudaKernel<Params>;

}  // namespace qaconv
