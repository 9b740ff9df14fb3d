// The operators' names and types. Fakes, autograd and autocast rules are Python, one file per op in
// qaconv_ext/_registration/; what the operators compute is said in csrc/core/.
#include "ops/tensors.h"

STABLE_TORCH_LIBRARY(qaconv, m) {
    m.def(
        "correlation_max(Tensor probe, Tensor gallery) -> "
        "(Tensor over_gallery, Tensor over_probe, Tensor gallery_index, Tensor probe_index)");
    m.def(
        "correlation_max_backward(Tensor grad_over_gallery, Tensor grad_over_probe, Tensor probe, "
        "Tensor gallery, Tensor gallery_index, Tensor probe_index, bool want_probe, "
        "bool want_gallery) -> "
        "(Tensor grad_probe, Tensor grad_gallery)");
    m.def("correlation_max_self(Tensor features) -> (Tensor maxima, Tensor index)");
    m.def(
        "correlation_max_self_backward(Tensor grad_maxima, Tensor features, Tensor index) -> "
        "Tensor");
    m.def(
        "match_scores(Tensor probe, Tensor gallery, Tensor probe_weight, Tensor gallery_weight, "
        "Tensor bias) -> Tensor");
    m.def(
        "match_scores_narrow(Tensor probe, Tensor gallery, Tensor probe_weight, "
        "Tensor gallery_weight, Tensor bias, int precision) -> Tensor");
    m.def("pairwise_distance(Tensor features, Tensor weight, Tensor bias) -> Tensor");

    // About the build and the kernels; no tensors.
    m.def("build_info() -> str");
    m.def("simd_levels() -> str");
    m.def("simd_level() -> int");
    m.def("set_simd_level(int level) -> bool");
    m.def("narrow_variant(int precision) -> str");
    m.def("last_cuda_variant() -> str");
    m.def("fma_operations(int rounds, int parts) -> float");
}
