// Which instruction set the kernels use: the highest this machine and this build have, unless
// QACONV_SIMD_LEVEL or set_simd_level asks for a lower one (so that each can be tested).
#pragma once

namespace qaconv::cpu {

enum class SimdLevel : int { kScalar = 0, kAvx2 = 1 };
constexpr int kSimdLevels = 2;
constexpr const char* kSimdLevelNames[kSimdLevels] = {"scalar", "avx2"};

SimdLevel highest_simd_level();  // of this machine and this build
SimdLevel simd_level();          // in use
bool set_simd_level(int level);  // false, and no change, where the machine does not have it

}  // namespace qaconv::cpu
