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

// `simd`: the instruction sets compiled in, lowest first, separated by spaces.
inline std::string build_info(const std::string& simd) {
    std::string info = "version=" QACONV_VERSION "\n";
    info += "compiler=" __VERSION__ "\n";
    info += "simd=" + simd + "\n";
    info += "cuda=" QACONV_CUDA_VERSION "\n";
    info += "cuda_architectures=" QACONV_CUDA_ARCHITECTURES "\n";
#ifndef __OPTIMIZE__
    info += "debug=yes\n";
#endif
    return info;
}

}  // namespace qaconv
