// What the operators are tested on: shapes and contents of maps.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "check.h"
#include "test_maps.h"

namespace qaconv::test {

struct Shape {
    int64_t probes, galleries, channels, probe_locations, gallery_locations;
};

inline std::string name_of(const Shape& shape) {
    return text(shape.probes) + "x" + text(shape.galleries) + " maps, C=" + text(shape.channels) +
           ", locations " + text(shape.probe_locations) + " and " + text(shape.gallery_locations);
}

// Around the widths of vectors, panels and tiles (1 to 17), and 24 x 8 = 192 of the usual network.
constexpr int64_t kLocations[] = {1, 2, 5, 6, 7, 15, 16, 17, 35, 192};
constexpr int64_t kChannels[] = {1, 3, 16, 37, 128, 300};
constexpr int64_t kCounts[] = {0, 1, 3, 5, 65};  // 65: one more than a block of packed maps

inline std::vector<Shape> cpu_shapes() {
    std::vector<Shape> shapes;
    for (int64_t s : kLocations) {
        for (int64_t r : kLocations) shapes.push_back({2, 3, 3, s, r});
    }
    for (int64_t c : kChannels) {
        for (int64_t s : {1, 7, 17, 35}) shapes.push_back({1, 2, c, s, 16});
    }
    shapes.push_back({1, 1, 128, 192, 192});  // the usual network
    for (int64_t p : kCounts) {
        for (int64_t g : kCounts) shapes.push_back({p, g, 3, 6, 5});
    }
    shapes.push_back({65, 65, 3, 5, 5});
    return shapes;
}

// An emulated device runs some ten million instructions a second: every width of locations and
// channels once, and more pairs than one.
inline std::vector<Shape> cuda_shapes() {
    return {{1, 1, 1, 1, 1},    {2, 1, 3, 1, 17},  {1, 2, 16, 2, 5},   {2, 2, 3, 6, 7},
            {1, 2, 37, 15, 16}, {2, 1, 5, 17, 35}, {1, 1, 16, 35, 17}, {2, 2, 16, 16, 16},
            {1, 1, 3, 192, 16}, {0, 3, 3, 6, 5},   {3, 0, 3, 6, 5},    {0, 0, 3, 5, 5},
            {5, 3, 3, 5, 5}};
}

// Small whole numbers: every sum is exact in every dtype and in any order, so results must equal
// the reference to the last bit, and ties abound.
struct WholeNumbers {
    uint64_t seed;
    double operator()(int64_t n, int64_t c, int64_t s) const {
        const uint64_t at = static_cast<uint64_t>((n * 1000 + c) * 1000 + s);
        return std::floor(random_number(seed, at) * 9) - 4;
    }
};

// Numbers in [-1, 1) with full fractions.
struct Fractions {
    uint64_t seed;
    double operator()(int64_t n, int64_t c, int64_t s) const {
        const uint64_t at = static_cast<uint64_t>((n * 1000 + c) * 1000 + s);
        return random_number(seed, at) * 2 - 1;
    }
};

template <typename Value>
TestMaps probe_of(const Shape& shape, DType dtype, Layout layout, Value value) {
    return TestMaps(shape.probes, shape.channels, shape.probe_locations, dtype, layout, value);
}
template <typename Value>
TestMaps gallery_of(const Shape& shape, DType dtype, Layout layout, Value value) {
    return TestMaps(shape.galleries, shape.channels, shape.gallery_locations, dtype, layout, value);
}

// count numbers of the type of the sums: whole in [-3, 3], or fractions in [-1, 1).
template <typename T>
std::vector<T> whole_numbers(int64_t count, uint64_t seed) {
    std::vector<T> numbers;
    for (int64_t k = 0; k < count; ++k) {
        const double x = random_number(seed, static_cast<uint64_t>(k));
        numbers.push_back(static_cast<T>(std::floor(x * 7) - 3));
    }
    return numbers;
}
template <typename T>
std::vector<T> fractions(int64_t count, uint64_t seed) {
    std::vector<T> numbers;
    for (int64_t k = 0; k < count; ++k) {
        numbers.push_back(static_cast<T>(random_number(seed, static_cast<uint64_t>(k)) * 2 - 1));
    }
    return numbers;
}

// Calls body(shape, dtype, layout) for every combination, as a case of its own.
template <typename Body>
void for_each_case(const std::string& title, const std::vector<Shape>& shapes, Body body) {
    for (const Shape& shape : shapes) {
        for (DType dtype : kDTypes) {
            for (Layout layout : kLayouts) {
                if (!in_stride()) continue;
                run_case(
                    title + ": " + name_of(shape) + ", " + name_of(dtype) + ", " + name_of(layout),
                    [&] { body(shape, dtype, layout); });
            }
        }
    }
}

}  // namespace qaconv::test
