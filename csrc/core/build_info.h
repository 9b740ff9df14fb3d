// What this library was built from and with, as "key=value" lines. The macros come from the build.
#pragma once

#include <string>

#ifndef QACONV_VERSION
#error "the build must define QACONV_VERSION"
#endif
#ifndef QACONV_CUDA_ARCHITECTURES
#define QACONV_CUDA_ARCHITECTURES ""
#endif
#ifndef QACONV_CUDA_VERSION
#define QACONV_CUDA_VERSION ""
#endif

namespace qaconv {

inline std::string build_info() {
    std::string info = "version=" QACONV_VERSION "\n";
    info += "compiler=" __VERSION__ "\n";
    info += "cuda=" QACONV_CUDA_VERSION "\n";
    info += "cuda_architectures=" QACONV_CUDA_ARCHITECTURES "\n";
    return info;
}

// The instruction sets compiled in, lowest first, separated by spaces.
template <typename Names>
std::string joined(const Names& names, int count) {
    std::string all;
    for (int k = 0; k < count; ++k) all += (k == 0 ? "" : " ") + std::string(names[k]);
    return all;
}

}  // namespace qaconv
