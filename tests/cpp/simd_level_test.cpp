// The choice of the instruction set. Run with QACONV_SIMD_LEVEL=scalar (CMakeLists.txt).
#include "cpu/simd_level.h"

#include <cstdlib>
#include <set>
#include <string>

#include "check.h"
#include "cpu/kernels.h"

namespace qaconv::test {
namespace {

using namespace qaconv::cpu;

void the_levels_of_this_architecture() {
#if defined(__x86_64__)
    const std::string wanted = "scalar avx2 avx512";
#elif defined(__aarch64__)
    const std::string wanted = "scalar neon";
#else
    const std::string wanted = "scalar";
#endif
    check(names_of(compiled_simd_levels()) == wanted, names_of(compiled_simd_levels()));
}

void only_what_is_here_is_offered() {
    std::vector<SimdLevel> here;
    for (const SimdLevel& level : compiled_simd_levels()) {
        if (level.is_here()) here.push_back(level);
    }
    check(names_of(simd_levels()) == names_of(here), names_of(simd_levels()));
    check(names_of(here).rfind("scalar", 0) == 0, "scalar is everywhere, and the lowest");
}

void every_level_can_be_chosen() {
    const int count = static_cast<int>(simd_levels().size());
    std::set<const void*> tables;
    for (int level = 0; level < count; ++level) {
        const SimdLevel& chosen = simd_levels()[static_cast<size_t>(level)];
        check(set_simd_level(level), chosen.name);
        check(simd_level() == level, chosen.name);
        check(&current_isa<float>() == &chosen.tables->of_float, chosen.name);
        check(&current_isa<double>() == &chosen.tables->of_double, chosen.name);
        tables.insert(chosen.tables);
    }
    check(static_cast<int>(tables.size()) == count, "each level has tables of its own");
}

void what_is_not_here_is_refused() {
    const int before = simd_level();
    check(!set_simd_level(static_cast<int>(simd_levels().size())), "one above the highest");
    check(!set_simd_level(-1), "-1");
    check(simd_level() == before, "level in use");
}

// One iteration of the measure of the peak is as many operations as there are results, two each;
// the results are those of that many multiply-adds.
template <typename T>
void check_peak(const Isa<T>& isa, const std::string& name) {
    T none = -1, some = -1;
    check(isa.fma_operations(0, T(0.5), &none) == 0, name + ": no iterations, no operations");
    const double one = isa.fma_operations(1, T(0.5), &some);
    check(one >= 2.0 * static_cast<double>(isa.lanes), name + ": one iteration");
    check(isa.fma_operations(1000, T(0.5), &some) == 1000 * one, name + ": a thousand");
    check(some != none && some - some == 0, name + ": a finite result that depends on them");
}

void peak() {
    for (const SimdLevel& level : simd_levels()) {
        check_peak(level.tables->of_float, std::string(level.name) + ", float");
        check_peak(level.tables->of_double, std::string(level.name) + ", double");
    }
    check(fma_operations(10) == 10 * fma_operations(1) && fma_operations(1) > 0, "level in use");
}

}  // namespace
}  // namespace qaconv::test

int main() {
    using namespace qaconv::cpu;
    using namespace qaconv::test;
    run_case("the environment chooses a lower level", [] {
        const char* wanted = std::getenv("QACONV_SIMD_LEVEL");
        check(wanted != nullptr && std::string(wanted) == "scalar", "QACONV_SIMD_LEVEL=scalar");
        check(std::string(simd_levels()[static_cast<size_t>(simd_level())].name) == "scalar",
              "level in use");
    });
    run_case("the levels of this architecture are compiled", the_levels_of_this_architecture);
    run_case("only what is here is offered", only_what_is_here_is_offered);
    run_case("every level that is here can be chosen", every_level_can_be_chosen);
    run_case("what is not here is refused, and changes nothing", what_is_not_here_is_refused);
    run_case("the measure of the peak", peak);
    return finish();
}
