// The backward where winners and gradients are drawn, not found by a forward: any number of
// locations and channels at little cost, and the winners no forward would give often enough.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "cases.h"
#include "contracts.h"
#include "operators.h"
#include "reference.h"

namespace qaconv::test {

// Which location wins among so many, and which pairs have a gradient.
struct Draw {
    const char* name;
    int32_t (*winner)(uint64_t seed, uint64_t at, int64_t among);
    bool (*has_gradient)(int64_t probe, int64_t gallery);
};

inline int32_t any_location(uint64_t seed, uint64_t at, int64_t among) {
    return static_cast<int32_t>(random_number(seed, at) * static_cast<double>(among));
}
inline int32_t last_location(uint64_t, uint64_t, int64_t among) {
    return static_cast<int32_t>(among - 1);
}
inline int32_t one_of_two(uint64_t seed, uint64_t at, int64_t among) {
    return any_location(seed, at, std::min<int64_t>(among, 2));
}
inline bool every_pair(int64_t, int64_t) { return true; }
inline bool few_pairs(int64_t probe, int64_t gallery) { return (probe + 2 * gallery) % 5 == 3; }
inline bool stretches(int64_t, int64_t gallery) { return gallery / 15 % 2 == 1; }
inline bool no_pair(int64_t, int64_t) { return false; }

constexpr Draw kDraws[] = {
    {"any winners", any_location, every_pair},
    {"one location wins all: the longest list", last_location, every_pair},
    {"two locations win all, few pairs", one_of_two, few_pairs},
    {"any winners, few pairs", any_location, few_pairs},
    {"any winners, stretches of pairs", any_location, stretches},
    {"no gradient at all", any_location, no_pair},
};

// Gradients by numbers(count, seed).
template <typename T, typename Numbers>
Maxima<T> drawn(const Shape& shape, const Draw& draw, Numbers numbers) {
    const int64_t pairs = shape.probes * shape.galleries;
    Maxima<T> result{numbers(pairs * shape.probe_locations, 61),
                     numbers(pairs * shape.gallery_locations, 62),
                     {},
                     {}};
    const auto fill = [&](std::vector<T>& gradient, std::vector<int32_t>& index, int64_t locations,
                          int64_t among, uint64_t seed) {
        for (int64_t at = 0; at < pairs * locations; ++at) {
            index.push_back(draw.winner(seed, static_cast<uint64_t>(at), among));
            const int64_t pair = at / locations;
            if (!draw.has_gradient(pair / shape.galleries, pair % shape.galleries)) {
                gradient[at] = 0;
            }
        }
    };
    fill(result.over_gallery, result.gallery_index, shape.probe_locations, shape.gallery_locations,
         63);
    fill(result.over_probe, result.probe_index, shape.gallery_locations, shape.probe_locations, 64);
    return result;
}

// Exact on whole numbers. A gallery map whose pairs have no gradient holds NaN, which must not be
// met; its own gradient is zero.
template <typename T, typename Device>
void check_drawn_backward(const Device& device, const Shape& shape, DType dtype, Layout layout,
                          const Draw& draw) {
    const auto value = [&](int64_t n, int64_t c, int64_t s) {
        bool used = false;
        for (int64_t p = 0; p < shape.probes; ++p) used = used || draw.has_gradient(p, n);
        return used ? WholeNumbers{66}(n, c, s) : std::numeric_limits<double>::quiet_NaN();
    };
    const TestMaps probe = probe_of(shape, dtype, layout, WholeNumbers{65});
    const TestMaps gallery = gallery_of(shape, dtype, layout, value);
    const Maxima<T> gradient = drawn<T>(shape, draw, whole_numbers<T>);
    const Gradients<T> actual = correlation_max_backward(device, probe, gallery, gradient);
    check_exact(actual.probe, ReferenceGradient<T>(probe, gallery, gradient, true).value,
                device.name() + ", drawn grad_probe");
    check_exact(actual.gallery, ReferenceGradient<T>(probe, gallery, gradient, false).value,
                device.name() + ", drawn grad_gallery");
}

// The bits of a map's gradient do not depend on the maps beside it, nor on the run.
template <typename T, typename Device>
void check_gradient_alone(const Device& device, const Shape& shape, DType dtype, Layout layout) {
    const TestMaps probe = probe_of(shape, dtype, layout, Fractions{67});
    const TestMaps gallery = gallery_of(shape, dtype, layout, Fractions{68});
    const Maxima<T> gradient = drawn<T>(shape, kDraws[0], fractions<T>);
    const std::vector<T> all =
        correlation_max_backward(device, probe, gallery, gradient, true, false).probe;
    check_same_bits(correlation_max_backward(device, probe, gallery, gradient, true, false).probe,
                    all, device.name() + ", drawn grad_probe again");
    const int64_t last = shape.probes - 1;
    const auto of_last = [&](const auto& numbers) {
        const auto count = static_cast<int64_t>(numbers.size()) / shape.probes;
        return std::remove_const_t<std::remove_reference_t<decltype(numbers)>>(
            numbers.begin() + last * count, numbers.end());
    };
    const Maxima<T> one{of_last(gradient.over_gallery), of_last(gradient.over_probe),
                        of_last(gradient.gallery_index), of_last(gradient.probe_index)};
    check_same_bits(
        correlation_max_backward(device, probe.part(last, last + 1), gallery, one, true, false)
            .probe,
        of_last(all), device.name() + ", grad_probe of a map alone");
}

// The order of the sums is the contract's, bit for bit, where each addition is one fused
// multiply-add: partners ascending, own maxima before the partner's, positions ascending.
template <typename T, typename Device>
void check_order_of_sums(const Device& device, const Shape& shape, DType dtype, Layout layout) {
    const TestMaps probe = probe_of(shape, dtype, layout, Fractions{69});
    const TestMaps gallery = gallery_of(shape, dtype, layout, Fractions{70});
    const Maxima<T> gradient = drawn<T>(shape, kDraws[0], fractions<T>);
    const int64_t locations = shape.probe_locations;
    std::vector<T> wanted(static_cast<size_t>(shape.probes * shape.channels * locations), 0);
    const auto add = [&](int64_t p, int64_t s, T factor, int64_t g, int64_t r) {
        for (int64_t c = 0; c < shape.channels; ++c) {
            T& sum = wanted[(p * shape.channels + c) * locations + s];
            sum = std::fma(factor, static_cast<T>(gallery.value(g, c, r)), sum);
        }
    };
    for (int64_t p = 0; p < shape.probes; ++p) {
        for (int64_t g = 0; g < shape.galleries; ++g) {
            const int64_t pair = p * shape.galleries + g;
            for (int64_t s = 0; s < locations; ++s) {
                const int64_t at = pair * locations + s;
                add(p, s, gradient.over_gallery[at], g, gradient.gallery_index[at]);
            }
            for (int64_t r = 0; r < shape.gallery_locations; ++r) {
                const int64_t at = pair * shape.gallery_locations + r;
                add(p, gradient.probe_index[at], gradient.over_probe[at], g, r);
            }
        }
    }
    check_same_bits(correlation_max_backward(device, probe, gallery, gradient, true, false).probe,
                    wanted, device.name() + ", grad_probe in the contract's order");
}

// On every one of the devices. Shapes around the widths of slabs (192, 96 and 32 locations, 32
// channels) and windows (768 items) of the CUDA backward, and past a byte of positions.
template <typename Device>
void run_backward_contracts(const std::vector<Device>& devices) {
    const Shape many_maps{7, 9, 5, 6, 7}, ragged{2, 3, 37, 45, 70}, wide{1, 2, 5, 300, 700};
    const Shape full_slabs{33, 1, 256, 192, 20}, many_windows{1, 77, 9, 20, 60};
    const auto on_all = [&](const std::string& title, DType dtype, auto check_on) {
        run_case(title + ", " + name_of(dtype), [&] {
            for (const Device& device : devices) {
                with_sum_type(dtype, [&](auto zero) { check_on(device, zero); });
            }
        });
    };
    for (DType dtype : kDTypes) {
        for (const Draw& draw : kDraws) {
            for (const Shape& shape : {many_maps, ragged, wide, many_windows}) {
                on_all(std::string("drawn: ") + draw.name + ", " + name_of(shape), dtype,
                       [&](const Device& device, auto zero) {
                           check_drawn_backward<decltype(zero)>(device, shape, dtype,
                                                                Layout::kSliced, draw);
                       });
            }
        }
        for (const Shape& shape : {many_maps, ragged}) {
            on_all("gradient alone: " + name_of(shape), dtype,
                   [&](const Device& device, auto zero) {
                       check_gradient_alone<decltype(zero)>(device, shape, dtype,
                                                            Layout::kChannelsLast);
                   });
        }
        on_all("gradient alone: " + name_of(full_slabs), dtype,
               [&](const Device& device, auto zero) {
                   check_gradient_alone<decltype(zero)>(device, full_slabs, dtype,
                                                        Layout::kContiguous);
               });
    }
}

}  // namespace qaconv::test
