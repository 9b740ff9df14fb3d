// Packing: widening of all 65536 numbers of both 16-bit formats, the layouts, the repeated last
// location, the magnitude.
#include "cpu/pack.h"

#include <limits>
#include <vector>

#include "cases.h"
#include "check.h"
#include "number_formats.h"
#include "test_maps.h"

namespace qaconv::test {
namespace {

// One map of all bit patterns, packed by either routine.
void check_all_patterns(DType dtype, const Format16& format, bool panels) {
    constexpr int64_t kPatterns = 1 << 16;
    std::vector<uint16_t> bits;
    std::vector<float> wanted;
    for (int64_t k = 0; k < kPatterns; ++k) {
        bits.push_back(static_cast<uint16_t>(k));
        wanted.push_back(static_cast<float>(format.decode(bits.back())));
    }
    Maps maps;
    maps.data = bits.data();
    maps.dtype = dtype;
    maps.count = 1;
    maps.channels = 1;
    maps.locations = kPatterns;
    maps.map_stride = maps.channel_stride = kPatterns;
    maps.location_stride = 1;
    std::vector<float> actual(kPatterns);
    if (panels) {
        const double magnitude = cpu::pack_panels(maps, 0, 16, actual.data());
        check(magnitude == std::numeric_limits<double>::infinity(), "magnitude with NaN inside");
    } else {
        cpu::pack_locations(maps, 0, 1, actual.data());
    }
    check_same_bits(actual, wanted, "widened");
    for (int64_t k = 0; k < kPatterns; ++k) {
        if (wanted[k] != wanted[k]) continue;
        check(format.encode(wanted[k]) == bits[k], "encode(decode(x)) == x at " + text(k));
    }
}

// [panels][channels][width], the last location repeated to the panel's end.
template <typename T>
void check_panels(const Shape& shape, DType dtype, Layout layout, int64_t width) {
    const TestMaps maps = probe_of(shape, dtype, layout, Fractions{41});
    const int64_t padded = cpu::round_up(maps.locations(), width);
    std::vector<T> wanted, actual(static_cast<size_t>(padded * maps.channels()), T(-9));
    double largest = 0;
    const int64_t n = maps.count() - 1;
    for (int64_t first = 0; first < padded; first += width) {
        for (int64_t c = 0; c < maps.channels(); ++c) {
            for (int64_t s = first; s < first + width; ++s) {
                const double value = maps.value(n, c, std::min(s, maps.locations() - 1));
                largest = std::max(largest, std::abs(value));
                wanted.push_back(static_cast<T>(value));
            }
        }
    }
    const double magnitude =
        cpu::pack_panels(maps.maps(maps.storage().data()), n, width, actual.data());
    check_same_bits(actual, wanted, "panels of " + text(width));
    check(magnitude == largest, "magnitude: got " + text(magnitude) + ", wanted " + text(largest));
}

// [locations][stride], zeros past the last channel.
template <typename T>
void check_locations(const Shape& shape, DType dtype, Layout layout, int64_t lanes) {
    const TestMaps maps = probe_of(shape, dtype, layout, Fractions{42});
    const int64_t stride = cpu::round_up(maps.channels(), lanes);
    const int64_t n = maps.count() - 1;
    std::vector<T> wanted, actual(static_cast<size_t>(stride * maps.locations()), T(-9));
    for (int64_t s = 0; s < maps.locations(); ++s) {
        for (int64_t c = 0; c < stride; ++c) {
            wanted.push_back(c < maps.channels() ? static_cast<T>(maps.value(n, c, s)) : T(0));
        }
    }
    cpu::pack_locations(maps.maps(maps.storage().data()), n, stride, actual.data());
    check_same_bits(actual, wanted, "locations with stride " + text(stride));
}

void check_magnitude(double value, double wanted) {
    for (DType dtype : kDTypes) {
        const TestMaps maps(1, 2, 5, dtype, Layout::kSliced, [=](int64_t, int64_t c, int64_t s) {
            return c == 1 && s == 3 ? value : 0.5;
        });
        with_sum_type(dtype, [&](auto zero) {
            std::vector<decltype(zero)> out(16);
            const double actual =
                cpu::pack_panels(maps.maps(maps.storage().data()), 0, 8, out.data());
            check(actual == wanted, std::string(name_of(dtype)) + ": got " + text(actual));
        });
    }
}

}  // namespace
}  // namespace qaconv::test

int main() {
    using namespace qaconv;
    using namespace qaconv::test;
    for (bool panels : {true, false}) {
        const std::string routine = panels ? "pack_panels" : "pack_locations";
        run_case(routine + ": every float16",
                 [&] { check_all_patterns(DType::kFloat16, kFloat16Format, panels); });
        run_case(routine + ": every bfloat16",
                 [&] { check_all_patterns(DType::kBFloat16, kBFloat16Format, panels); });
    }
    std::vector<Shape> shapes;
    for (int64_t locations : kLocations) {
        for (int64_t channels : {1, 3, 16, 37}) shapes.push_back({3, 0, channels, locations, 1});
    }
    for_each_case("layouts", shapes, [](const Shape& shape, DType dtype, Layout layout) {
        with_sum_type(dtype, [&](auto zero) {
            for (int64_t width : {1, 4, 6, 8, 16}) {
                check_panels<decltype(zero)>(shape, dtype, layout, width);
                check_locations<decltype(zero)>(shape, dtype, layout, width);
            }
        });
    });
    const double infinity = std::numeric_limits<double>::infinity();
    run_case("magnitude of a negative number", [] { check_magnitude(-2, 2); });
    run_case("magnitude of infinity", [=] { check_magnitude(-infinity, infinity); });
    run_case("magnitude of NaN", [=] { check_magnitude(std::nan(""), infinity); });
    return finish();
}
