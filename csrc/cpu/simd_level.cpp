#include "cpu/simd_level.h"

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace qaconv::cpu {
namespace {

int initial_level() {
    const int highest = static_cast<int>(highest_simd_level());
    const char* wanted = std::getenv("QACONV_SIMD_LEVEL");
    if (wanted != nullptr) {
        for (int level = 0; level <= highest; ++level) {
            if (std::strcmp(wanted, kSimdLevelNames[level]) == 0) return level;
        }
        // An unknown or unavailable name is reported by Python, which can say so to the user.
    }
    return highest;
}

std::atomic<int>& level_in_use() {
    static std::atomic<int> level{initial_level()};
    return level;
}

}  // namespace

SimdLevel highest_simd_level() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return SimdLevel::kAvx2;
#endif
    return SimdLevel::kScalar;
}

SimdLevel simd_level() { return static_cast<SimdLevel>(level_in_use().load()); }

bool set_simd_level(int level) {
    if (level < 0 || level > static_cast<int>(highest_simd_level())) return false;
    level_in_use().store(level);
    return true;
}

}  // namespace qaconv::cpu
