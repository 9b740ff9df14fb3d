// The contracts where numbers are not ordinary: ties, values all negative, NaN, infinities,
// overflow, underflow, zeros, and the widths of stored positions.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "cases.h"
#include "contracts.h"
#include "operators.h"

namespace qaconv::test {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Contents whose correlations are exact (or infinite, or NaN, in any order of summation), with the
// trap each one sets.
struct SpecialContents {
    const char* name;
    double (*probe)(int64_t n, int64_t c, int64_t s);
    double (*gallery)(int64_t n, int64_t c, int64_t s);
};

inline double whole(int64_t n, int64_t c, int64_t s) { return WholeNumbers{21}(n, c, s); }
// Without zeros: 0 * infinity would be NaN.
inline double positive(int64_t n, int64_t c, int64_t s) { return 1 + std::abs(whole(n, c, s)); }
inline double negative(int64_t n, int64_t c, int64_t s) { return -positive(n + 7, c, s); }
inline double zero(int64_t, int64_t, int64_t) { return 0; }
inline double one(int64_t, int64_t, int64_t) { return 1; }
inline double twice_each(int64_t n, int64_t c, int64_t s) { return whole(n, c, s / 2); }
inline double nan_at_3_and_5(int64_t n, int64_t c, int64_t s) {
    return n == 1 && c == 1 && (s == 3 || s == 5) ? kNaN : whole(n, c, s);
}
inline double nan_at_2(int64_t n, int64_t c, int64_t s) {
    return n == 0 && c == 0 && s == 2 ? kNaN : whole(n, c, s);
}
inline double all_nan(int64_t, int64_t, int64_t) { return kNaN; }
inline double infinity_at_1_and_4(int64_t n, int64_t c, int64_t s) {
    return n == 1 && c == 2 && (s == 1 || s == 4) ? kInfinity : positive(n, c, s);
}
inline double all_infinite(int64_t, int64_t, int64_t) { return kInfinity; }

constexpr SpecialContents kSpecialContents[] = {
    {"constant maps: position 0 of all that tie", one, one},
    {"every location twice: the first of the two", twice_each, twice_each},
    {"all negative: padding with zeros would win", positive, negative},
    {"zeros", zero, zero},
    {"zeros and numbers", zero, whole},
    {"NaN at two locations: the first wins", nan_at_3_and_5, whole},
    {"NaN on the other side", whole, nan_at_2},
    {"NaN on both sides", nan_at_3_and_5, nan_at_2},
    {"NaN everywhere", all_nan, whole},
    {"infinity at two locations", infinity_at_1_and_4, positive},
    {"minus infinity at two locations", infinity_at_1_and_4, negative},
    {"infinity and both signs: NaN by 0 * infinity", infinity_at_1_and_4, whole},
    {"all infinite", all_infinite, positive},
    {"all minus infinity: position 0, not none", all_infinite, negative},
};

template <typename T, typename Device>
void check_special(const Device& device, const SpecialContents& contents, DType dtype) {
    const std::string name = device.name();
    const Shape shape{2, 2, 5, 17, 9};
    const TestMaps probe = probe_of(shape, dtype, Layout::kSliced, contents.probe);
    const TestMaps gallery = gallery_of(shape, dtype, Layout::kChannelsLast, contents.gallery);
    check_maxima_exact(correlation_max<T>(device, probe, gallery), probe, gallery, name);
    check_maxima_exact(correlation_max<T>(device, gallery, probe), gallery, probe,
                       name + ", exchanged");
    check_maxima_bits(correlation_max_self<T>(device, probe),
                      correlation_max<T>(device, probe, probe), name + ", self and twice");
    const Head<T> head{whole_numbers<T>(shape.probe_locations, 22),
                       whole_numbers<T>(shape.gallery_locations, 23), 1};
    check_exact(match_scores(device, probe, gallery, head),
                ReferenceScores<T>(probe, gallery, head).value, name + ", scores");
}

// Finite maps whose correlations are not: every pair overflows to the same infinity, and a sum is
// never asked to cancel (there a rounded and an unrounded product would part).
template <typename T, typename Device>
void check_overflow(const Device& device, DType dtype) {
    const std::string name = device.name();
    const double huge = dtype == DType::kFloat64 ? 0x1p1000 : 0x1p100;
    const Shape shape{1, 2, 3, 7, 17};
    const auto maps = [&](int64_t count, int64_t locations, double sign) {
        return TestMaps(count, shape.channels, locations, dtype, Layout::kContiguous,
                        [=](int64_t, int64_t, int64_t s) { return s == 0 ? 1.0 : sign * huge; });
    };
    const TestMaps probe = maps(1, 7, 1);
    for (double sign : {1.0, -1.0}) {
        const TestMaps gallery = maps(2, 17, sign);
        const Maxima<T> maxima = correlation_max<T>(device, probe, gallery);
        const T infinity = std::numeric_limits<T>::infinity();
        // Location 0 of either side holds ones: its correlations stay finite, and with `sign` < 0
        // it beats the overflowed ones on the other side.
        for (int64_t g = 0; g < 2; ++g) {
            for (int64_t s = 1; s < 7; ++s) {
                const T wanted = sign > 0 ? infinity : static_cast<T>(3 * huge);
                check(maxima.over_gallery[g * 7 + s] == wanted, name + ": over_gallery");
                check(maxima.gallery_index[g * 7 + s] == (sign > 0 ? 1 : 0), name + ": its index");
            }
            for (int64_t r = 1; r < 17; ++r) {
                const T wanted = sign > 0 ? infinity : static_cast<T>(-3 * huge);
                check(maxima.over_probe[g * 17 + r] == wanted, name + ": over_probe");
                check(maxima.probe_index[g * 17 + r] == (sign > 0 ? 1 : 0), name + ": its index");
            }
        }
    }
}

// Products far below the smallest number: all correlations are zeros of either sign, which tie.
template <typename T, typename Device>
void check_underflow(const Device& device, DType dtype) {
    const double tiny = dtype == DType::kFloat64 ? 0x1p-900 : 0x1p-100;
    const auto value = [=](int64_t n, int64_t c, int64_t s) { return tiny * whole(n, c, s); };
    const TestMaps maps(3, 4, 15, dtype, Layout::kContiguous, value);
    const Maxima<T> twice = correlation_max<T>(device, maps, maps);
    check_exact(twice.over_gallery, std::vector<T>(twice.over_gallery.size(), 0), device.name());
    check_exact(twice.gallery_index, std::vector<int32_t>(twice.gallery_index.size(), 0),
                device.name() + ", position of the first zero");
    check_maxima_bits(correlation_max_self<T>(device, maps), twice,
                      device.name() + ", underflow, self and twice");
}

// The last location wins, at the locations where the stored width of positions changes.
template <typename T, typename Device>
void check_position_width(const Device& device, int64_t locations) {
    const auto rising = [](int64_t, int64_t, int64_t s) { return static_cast<double>(s + 1); };
    const TestMaps probe(1, 1, 2, DType::kFloat32, Layout::kContiguous, rising);
    const TestMaps gallery(1, 1, locations, DType::kFloat32, Layout::kContiguous, rising);
    const Maxima<float> maxima = correlation_max<float>(device, probe, gallery);
    const int32_t last = static_cast<int32_t>(locations - 1);
    check_exact(maxima.gallery_index, std::vector<int32_t>{last, last}, device.name());
    Maxima<float> gradient = reference_winners<float>(probe, gallery);
    gradient.over_gallery = {2, 3};
    const Gradients<float> actual = correlation_max_backward(device, probe, gallery, gradient);
    check_exact(actual.probe, ReferenceGradient<float>(probe, gallery, gradient, true).value,
                device.name() + ", grad_probe");
    check_exact(actual.gallery, ReferenceGradient<float>(probe, gallery, gradient, false).value,
                device.name() + ", grad_gallery");
}

// A gradient that is NaN or infinite reaches the winners; one that is zero reaches nobody, not
// even a winner that is infinite.
template <typename T, typename Device>
void check_special_gradient(const Device& device, DType dtype) {
    const Shape shape{2, 2, 3, 6, 7};
    const TestMaps probe = probe_of(shape, dtype, Layout::kContiguous, positive);
    const TestMaps gallery = gallery_of(shape, dtype, Layout::kContiguous, infinity_at_1_and_4);
    Maxima<T> gradient = reference_winners<T>(probe, gallery);
    const auto check_both = [&](const std::string& what) {
        const Gradients<T> actual = correlation_max_backward(device, probe, gallery, gradient);
        check_exact(actual.probe, ReferenceGradient<T>(probe, gallery, gradient, true).value,
                    device.name() + ", grad_probe, " + what);
        check_exact(actual.gallery, ReferenceGradient<T>(probe, gallery, gradient, false).value,
                    device.name() + ", grad_gallery, " + what);
    };
    check_both("all zero");
    gradient.over_gallery[0] = std::numeric_limits<T>::quiet_NaN();
    gradient.over_probe[9] = std::numeric_limits<T>::infinity();
    gradient.over_probe[8] = 2;
    check_both("NaN and infinity");
}

// All of the above, on every one of the devices.
template <typename Device>
void run_special_contracts(const std::vector<Device>& devices) {
    for (DType dtype : kDTypes) {
        const auto on_all = [&](const std::string& title, auto check_on) {
            run_case(title + ", " + name_of(dtype), [&] {
                for (const Device& device : devices) {
                    with_sum_type(dtype, [&](auto zero) { check_on(device, zero); });
                }
            });
        };
        for (const SpecialContents& contents : kSpecialContents) {
            on_all(contents.name, [&](const Device& device, auto zero) {
                check_special<decltype(zero)>(device, contents, dtype);
            });
        }
        on_all("special gradients", [&](const Device& device, auto zero) {
            check_special_gradient<decltype(zero)>(device, dtype);
        });
        if (dtype == DType::kFloat16) continue;  // neither range is float16's
        on_all("overflow of finite maps", [&](const Device& device, auto zero) {
            check_overflow<decltype(zero)>(device, dtype);
        });
        on_all("underflow", [&](const Device& device, auto zero) {
            check_underflow<decltype(zero)>(device, dtype);
        });
    }
    for (int64_t locations : {255, 256, 257, 1000}) {
        run_case("positions among " + text(locations) + " locations", [&] {
            for (const Device& device : devices) check_position_width<float>(device, locations);
        });
    }
}

}  // namespace qaconv::test
