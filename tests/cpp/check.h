// A test program is a list of named cases. A case passes when no check in it failed; the program
// ends with the line "N passed, N failed" (", N skipped" where any were) and its exit status.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

namespace qaconv::test {

// What a program returns that skipped everything: CTest's SKIP_RETURN_CODE (CMakeLists.txt).
constexpr int kSkipExitCode = 77;

struct Counts {
    int passed = 0, failed = 0, skipped = 0;
    std::string current;  // the running case
    int current_failures = 0;
};

inline Counts& counts() {
    static Counts instance;
    return instance;
}

inline void fail(const std::string& message) {
    constexpr int kShown = 5;  // of one case: the first few say it all
    Counts& all = counts();
    if (all.current_failures == 0) std::printf("FAILED %s\n", all.current.c_str());
    if (all.current_failures < kShown) std::printf("    %s\n", message.c_str());
    ++all.current_failures;
    std::fflush(stdout);  // a crash may follow
}

inline void check(bool ok, const std::string& message) {
    if (!ok) fail(message);
}

template <typename Body>
void run_case(const std::string& name, Body body) {
    Counts& all = counts();
    // One case alone: QACONV_CASE=part-of-its-name.
    static const char* const only = std::getenv("QACONV_CASE");
    if (only != nullptr && name.find(only) == std::string::npos) return;
    all.current = name;
    all.current_failures = 0;
    body();
    ++(all.current_failures == 0 ? all.passed : all.failed);
}

// Of the many cases of a grid, every n-th only where QACONV_TEST_STRIDE=n: for an emulator, on
// which all of them take minutes. n should share no factor with the sizes of the grid's axes, so
// that every value of each is still met.
inline bool in_stride() {
    static const char* const asked = std::getenv("QACONV_TEST_STRIDE");
    static const int stride = asked == nullptr ? 1 : std::max(1, std::atoi(asked));
    static int count = 0;
    if (count++ % stride == 0) return true;
    ++counts().skipped;
    return false;
}

inline int finish() {
    const Counts& all = counts();
    std::printf("%d passed, %d failed", all.passed, all.failed);
    if (all.skipped > 0) std::printf(", %d skipped", all.skipped);
    std::printf("\n");
    if (all.failed > 0 || all.passed + all.skipped == 0) return 1;
    if (all.passed > 0) return 0;
    // Where a GPU is meant to be, to skip everything for want of one is to fail.
    return std::getenv("QACONV_NEED_GPU") != nullptr ? 1 : kSkipExitCode;
}

template <typename T>
std::string text(const T& value) {
    std::ostringstream out;
    out.precision(17);
    out << value;
    return out.str();
}

template <typename T>
bool same_bits(T a, T b) {
    // A NaN's payload depends on the order of a product's factors, which no contract fixes.
    return std::memcmp(&a, &b, sizeof(T)) == 0 || (a != a && b != b);
}

template <typename Actual, typename Wanted>
bool same_value(Actual a, Wanted b) {
    return static_cast<Wanted>(a) == b || (a != a && b != b);
}

// Checks that right(k) for all k; reports the first k where not.
template <typename Actual, typename Wanted, typename Right>
void check_all(const std::vector<Actual>& actual, const std::vector<Wanted>& wanted,
               const std::string& what, Right right) {
    if (actual.size() != wanted.size()) {
        fail(what + ": got " + text(actual.size()) + " numbers, wanted " + text(wanted.size()));
        return;
    }
    size_t wrong = 0, first = 0;
    for (size_t k = 0; k < actual.size(); ++k) {
        if (right(k)) continue;
        if (wrong++ == 0) first = k;
    }
    if (wrong == 0) return;
    fail(what + "[" + text(first) + "]: got " + text(actual[first]) + ", wanted " +
         text(wanted[first]) + " (" + text(wrong) + " of " + text(actual.size()) + " wrong)");
}

template <typename T>
void check_same_bits(const std::vector<T>& actual, const std::vector<T>& wanted,
                     const std::string& what) {
    check_all(actual, wanted, what + ", bits",
              [&](size_t k) { return same_bits(actual[k], wanted[k]); });
}

// For results that are exact in any order of summation: equal, whatever the sign of a zero.
template <typename Actual, typename Wanted>
void check_exact(const std::vector<Actual>& actual, const std::vector<Wanted>& wanted,
                 const std::string& what) {
    check_all(actual, wanted, what, [&](size_t k) { return same_value(actual[k], wanted[k]); });
}

// |actual[k] - wanted[k]| <= bound[k]; a NaN is wrong.
template <typename T, typename Wide>
void check_within(const std::vector<T>& actual, const std::vector<Wide>& wanted,
                  const std::vector<Wide>& bound, const std::string& what) {
    check_all(actual, wanted, what,
              [&](size_t k) { return std::abs(actual[k] - wanted[k]) <= bound[k]; });
}

}  // namespace qaconv::test
