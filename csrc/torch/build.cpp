#include "core/build_info.h"
#include "cpu/simd_level.h"
#include "torch/tensors.h"

namespace qaconv {
namespace {

std::string info() { return build_info(cpu::names_of(cpu::compiled_simd_levels())); }
std::string simd_levels() { return cpu::names_of(cpu::simd_levels()); }
int64_t simd_level() { return static_cast<int64_t>(cpu::simd_level()); }
bool set_simd_level(int64_t level) { return cpu::set_simd_level(static_cast<int>(level)); }

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(qaconv, CompositeExplicitAutograd, m) {
    m.impl("build_info", TORCH_BOX(&info));
    m.impl("simd_levels", TORCH_BOX(&simd_levels));
    m.impl("simd_level", TORCH_BOX(&simd_level));
    m.impl("set_simd_level", TORCH_BOX(&set_simd_level));
}

}  // namespace qaconv
