// What the CPU glue adds to a request: torch's threads, and an error where memory ran out.
#pragma once

#include "ops/tensors.h"

namespace qaconv {

inline void torch_threads(int64_t begin, int64_t end, int64_t grain, ParallelBody body,
                          void* context) {
    TORCH_ERROR_CODE_CHECK(torch_parallel_for(begin, end, grain, body, context));
}

inline void check_cpu(Status status) {
    STD_TORCH_CHECK(status == Status::kOk, "qaconv: not enough memory for the CPU kernel");
}

// A kernel as the operators call it.
template <typename Params>
struct CpuKernel {
    Status (*kernel)(const Params&, ParallelFor);

    void operator()(const Tensor&, const Params& params) const {
        check_cpu(kernel(params, torch_threads));
    }
};

template <typename Params>
CpuKernel(Status (*)(const Params&, ParallelFor)) -> CpuKernel<Params>;

}  // namespace qaconv
