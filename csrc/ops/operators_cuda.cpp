#include "cuda/kernels.h"
#include "ops/cuda_call.h"
#include "ops/operators.h"

namespace qaconv {
namespace {

// Each kernel with the size of the workspace that it wants.
struct Cuda {
    static constexpr CudaKernel correlation_max{cuda::correlation_max,
                                                cuda::correlation_max_workspace};
    static constexpr CudaKernel correlation_max_backward{cuda::correlation_max_backward,
                                                         cuda::correlation_max_backward_workspace};
    static constexpr CudaKernel correlation_max_self{cuda::correlation_max_self,
                                                     cuda::correlation_max_self_workspace};
    static constexpr CudaKernel correlation_max_self_backward{
        cuda::correlation_max_self_backward, cuda::correlation_max_self_backward_workspace};
    static constexpr CudaKernel match_scores{cuda::match_scores, cuda::match_scores_workspace};
    static constexpr CudaKernel pairwise_distance{cuda::pairwise_distance,
                                                  cuda::pairwise_distance_workspace};
};

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(qaconv, CUDA, m) { Operators<Cuda>::implement(m); }

}  // namespace qaconv
