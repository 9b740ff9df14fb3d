// qaconv_ext._core: the build and the CPU kernels, without torch.
#include <pybind11/pybind11.h>

#include "core/build_info.h"
#include "cpu/simd_level.h"

PYBIND11_MODULE(_core, m) {
    m.doc() = "What was compiled and what this machine can run of it. Does not import torch.";
    m.def("build_info", &qaconv::build_info, "The build as key=value lines.");
    m.def(
        "simd_levels",
        [] {
            return qaconv::joined(qaconv::cpu::kSimdLevelNames,
                                  static_cast<int>(qaconv::cpu::highest_simd_level()) + 1);
        },
        "The instruction sets this machine and this build share, lowest first.");
}
