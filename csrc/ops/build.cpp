#include <atomic>

#include "core/build_info.h"
#include "cpu/kernels.h"
#include "cpu/simd_level.h"
#ifdef USE_CUDA
#include "cuda/kernels.h"
#endif
#include "ops/cpu_call.h"
#include "ops/tensors.h"

namespace qaconv {
namespace {

std::string info() { return build_info(cpu::names_of(cpu::compiled_simd_levels())); }
std::string simd_levels() { return cpu::names_of(cpu::simd_levels()); }
int64_t simd_level() { return static_cast<int64_t>(cpu::simd_level()); }
bool set_simd_level(int64_t level) { return cpu::set_simd_level(static_cast<int>(level)); }

std::string last_cuda_variant() {
#ifdef USE_CUDA
    return cuda::last_variant();
#else
    return "";
#endif
}

// Multiplies and adds in registers on torch's threads, the parts dealt as threads come free; how
// many operations that were. For measuring the peak where the kernels run.
double fma_operations(int64_t rounds, int64_t parts) {
    struct Job {
        int64_t rounds, parts;
        std::atomic<int64_t> next{0}, done{0};
        static void run(int64_t, int64_t, void* context) {
            auto* job = static_cast<Job*>(context);
            while (job->next.fetch_add(1) < job->parts) {
                job->done += static_cast<int64_t>(cpu::fma_operations(job->rounds));
            }
        }
    } job{rounds, parts};
    torch_threads(0, parts, 1, &Job::run, &job);
    return static_cast<double>(job.done.load());
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(qaconv, CompositeExplicitAutograd, m) {
    m.impl("build_info", TORCH_BOX(&info));
    m.impl("simd_levels", TORCH_BOX(&simd_levels));
    m.impl("simd_level", TORCH_BOX(&simd_level));
    m.impl("set_simd_level", TORCH_BOX(&set_simd_level));
    m.impl("last_cuda_variant", TORCH_BOX(&last_cuda_variant));
    m.impl("fma_operations", TORCH_BOX(&fma_operations));
}

}  // namespace qaconv
