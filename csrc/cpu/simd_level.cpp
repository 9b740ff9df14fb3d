#include "cpu/simd_level.h"

#include <atomic>
#include <cstdlib>

namespace qaconv::cpu {
namespace {

bool on_every_machine() { return true; }

#if defined(__x86_64__)
// The processor's word alone would not do: the system must save the registers too, and
// __builtin_cpu_supports asks for both.
bool has_avx2() {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#if defined(QACONV_SIMDE_AVX512)
bool has_avx512() { return true; }  // the variant in portable operations, for tests
#else
bool has_avx512() {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}
#endif
#endif

int initial_level() {
    const std::vector<SimdLevel>& levels = simd_levels();
    const char* wanted = std::getenv("QACONV_SIMD_LEVEL");
    if (wanted != nullptr) {
        for (size_t k = 0; k < levels.size(); ++k) {
            if (std::string(wanted) == levels[k].name) return static_cast<int>(k);
        }
        // An unknown or unavailable name is reported by Python, which can say so to the user.
    }
    return static_cast<int>(levels.size()) - 1;
}

std::atomic<int>& level_in_use() {
    static std::atomic<int> level{initial_level()};
    return level;
}

}  // namespace

// The one list of instruction sets.
const std::vector<SimdLevel>& compiled_simd_levels() {
    static const std::vector<SimdLevel> levels = {
        {"scalar", on_every_machine, &kScalarIsa},
#if defined(__x86_64__)
        {"avx2", has_avx2, &kAvx2Isa},
        {"avx512", has_avx512, &kAvx512Isa},
#elif defined(__aarch64__)
        {"neon", on_every_machine, &kNeonIsa},
#endif
    };
    return levels;
}

const std::vector<SimdLevel>& simd_levels() {
    static const std::vector<SimdLevel> levels = [] {
        std::vector<SimdLevel> here;
        for (const SimdLevel& level : compiled_simd_levels()) {
            if (level.is_here()) here.push_back(level);
        }
        return here;
    }();
    return levels;
}

std::string names_of(const std::vector<SimdLevel>& levels) {
    std::string names;
    for (const SimdLevel& level : levels)
        names += (names.empty() ? "" : " ") + std::string(level.name);
    return names;
}

int simd_level() { return level_in_use().load(); }

bool set_simd_level(int level) {
    if (level < 0 || level >= static_cast<int>(simd_levels().size())) return false;
    level_in_use().store(level);
    return true;
}

}  // namespace qaconv::cpu
