// The rules of core/maximum.h: a NaN above all, of equals the lowest position, in any order.
#include "core/maximum.h"

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

#include "check.h"

namespace qaconv::test {
namespace {

template <typename T>
const std::vector<std::vector<T>>& examples() {
    constexpr T nan = std::numeric_limits<T>::quiet_NaN();
    constexpr T infinity = std::numeric_limits<T>::infinity();
    static const std::vector<std::vector<T>> all = {
        {3},
        {1, 2, 3, 2, 3},
        {3, 3, 3, 3},
        {-1, -2, -1},
        {0, T(-0.0), 0},
        {nan},
        {1, nan, 2, nan, 3},
        {nan, infinity, nan},
        {-infinity, -infinity, -5, -infinity},
        {-infinity, -infinity},
        {infinity, nan, infinity},
        {2, infinity, 1, infinity},
        {nan, nan, nan},
        {-3, 5, 5, nan, 5, -infinity, infinity, nan, 0, 7, 7},
    };
    return all;
}

// The rule in words: the first NaN, else the first of the largest.
template <typename T>
int32_t wanted_index(const std::vector<T>& values) {
    for (size_t k = 0; k < values.size(); ++k) {
        if (values[k] != values[k]) return static_cast<int32_t>(k);
    }
    return static_cast<int32_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

template <typename T>
void check_is(const Maximum<T>& actual, const std::vector<T>& values, const std::string& what) {
    const int32_t wanted = wanted_index(values);
    check(actual.index == wanted,
          what + ": index: got " + text(actual.index) + ", wanted " + text(wanted));
    check(same_bits(actual.value, values[static_cast<size_t>(wanted)]),
          what + ": value: got " + text(actual.value));
}

template <typename T>
void check_update(const std::vector<T>& values) {
    Maximum<T> best = Maximum<T>::first(values[0], 0);
    for (size_t k = 1; k < values.size(); ++k) best.update(values[k], static_cast<int32_t>(k));
    check_is(best, values, "update");
}

// Merges single values in a random order and a random tree: the result is always the same.
template <typename T>
void check_merge(const std::vector<T>& values) {
    std::mt19937 random(3);
    for (int round = 0; round < 200; ++round) {
        std::vector<Maximum<T>> parts;
        for (size_t k = 0; k < values.size(); ++k) {
            parts.push_back(Maximum<T>::first(values[k], static_cast<int32_t>(k)));
        }
        std::shuffle(parts.begin(), parts.end(), random);
        while (parts.size() > 1) {
            const size_t k = random() % (parts.size() - 1);
            parts[k].merge(parts[k + 1]);
            parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(k) + 1);
        }
        check_is(parts[0], values, "merge");
    }
}

// Kernels merge a maximum with itself where padding repeats the last location.
template <typename T>
void check_repeated(const std::vector<T>& values) {
    Maximum<T> best = Maximum<T>::first(values[0], 0);
    for (size_t k = 0; k < values.size(); ++k) {
        best.merge(Maximum<T>::first(values[k], static_cast<int32_t>(k)));
        best.merge(best);
        best.merge(Maximum<T>::first(values[k], static_cast<int32_t>(k)));
    }
    check_is(best, values, "merge of repeats");
}

template <typename T>
void run_all(const std::string& type) {
    for (const std::vector<T>& values : examples<T>()) {
        std::string name = type;
        for (T value : values) name += " " + text(value);
        run_case("maximum of " + name, [&] {
            check_update(values);
            check_merge(values);
            check_repeated(values);
        });
    }
}

}  // namespace
}  // namespace qaconv::test

int main() {
    qaconv::test::run_all<float>("float");
    qaconv::test::run_all<double>("double");
    return qaconv::test::finish();
}
