// The choice of the instruction set. Run with QACONV_SIMD_LEVEL=scalar (CMakeLists.txt).
#include "cpu/simd_level.h"

#include <cstdlib>
#include <string>

#include "check.h"
#include "cpu/isa.h"

int main() {
    using namespace qaconv::cpu;
    using namespace qaconv::test;
    run_case("the environment chooses a lower level", [] {
        const char* wanted = std::getenv("QACONV_SIMD_LEVEL");
        check(wanted != nullptr && std::string(wanted) == "scalar", "QACONV_SIMD_LEVEL=scalar");
        check(simd_level() == SimdLevel::kScalar, "level in use");
    });
    run_case("every level up to the highest can be chosen", [] {
        for (int level = 0; level <= static_cast<int>(highest_simd_level()); ++level) {
            check(set_simd_level(level), kSimdLevelNames[level]);
            check(static_cast<int>(simd_level()) == level, kSimdLevelNames[level]);
        }
    });
    run_case("what the machine does not have is refused, and changes nothing", [] {
        const SimdLevel before = simd_level();
        check(!set_simd_level(static_cast<int>(highest_simd_level()) + 1), "one above the highest");
        check(!set_simd_level(-1), "-1");
        check(simd_level() == before, "level in use");
    });
    run_case("the tables belong to their level", [] {
        set_simd_level(static_cast<int>(SimdLevel::kScalar));
        check(&current_isa<float>() == &scalar_isa<float>(), "float");
        check(&current_isa<double>() == &scalar_isa<double>(), "double");
    });
    return finish();
}
