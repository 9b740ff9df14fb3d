#include "cpu/kernels.h"
#include "ops/cpu_call.h"
#include "ops/operators.h"

namespace qaconv {
namespace {

struct Cpu {
    static constexpr CpuKernel correlation_max{cpu::correlation_max};
    static constexpr CpuKernel correlation_max_backward{cpu::correlation_max_backward};
    static constexpr CpuKernel correlation_max_self{cpu::correlation_max_self};
    static constexpr CpuKernel correlation_max_self_backward{cpu::correlation_max_self_backward};
    static constexpr CpuKernel match_scores{cpu::match_scores};
    static constexpr CpuKernel pairwise_distance{cpu::pairwise_distance};
};

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(qaconv, CPU, m) { Operators<Cpu>::implement(m); }

}  // namespace qaconv
