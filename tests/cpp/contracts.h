// What every device must fulfil on maps of any contents: the contract of core/*.h against the
// reference, and the promises about equal bits. Each function is one case's checks.
#pragma once

#include <string>
#include <vector>

#include "cases.h"
#include "operators.h"
#include "reference.h"

namespace qaconv::test {

template <typename T>
void check_maxima_bits(const Maxima<T>& actual, const Maxima<T>& wanted, const std::string& what) {
    check_same_bits(actual.over_gallery, wanted.over_gallery, what + ": over_gallery");
    check_same_bits(actual.over_probe, wanted.over_probe, what + ": over_probe");
    check_exact(actual.gallery_index, wanted.gallery_index, what + ": gallery_index");
    check_exact(actual.probe_index, wanted.probe_index, what + ": probe_index");
}

// For maps whose correlations are exact: values and positions are the reference's.
template <typename T>
void check_maxima_exact(const Maxima<T>& actual, const TestMaps& probe, const TestMaps& gallery,
                        const std::string& what) {
    const ReferenceMaxima<T> wanted(probe, gallery);
    check_exact(actual.over_gallery, wanted.over_gallery.value, what + ": over_gallery");
    check_exact(actual.over_probe, wanted.over_probe.value, what + ": over_probe");
    check_exact(actual.gallery_index, wanted.over_gallery.index, what + ": gallery_index");
    check_exact(actual.probe_index, wanted.over_probe.index, what + ": probe_index");
}

template <typename T>
void check_maxima_within(const Maxima<T>& actual, const TestMaps& probe, const TestMaps& gallery,
                         const std::string& what) {
    const ReferenceMaxima<T> wanted(probe, gallery, &actual);
    const auto check_side = [&](const std::vector<T>& values, const auto& side,
                                const std::string& name) {
        check_within(values, side.value, side.bound, what + ": " + name);
        auto twice = side.bound;
        for (auto& bound : twice) bound *= 2;
        check_within(side.at_given, side.value, twice,
                     what + ": correlation at the winner of " + name);
    };
    check_side(actual.over_gallery, wanted.over_gallery, "over_gallery");
    check_side(actual.over_probe, wanted.over_probe, "over_probe");
}

// correlation_max and match_scores of two sets of maps, both kinds of contents.
template <typename T, typename Device>
void check_forward(const Device& device, const Shape& shape, DType dtype, Layout layout) {
    const std::string name = device.name();
    {
        const TestMaps probe = probe_of(shape, dtype, layout, WholeNumbers{1});
        const TestMaps gallery = gallery_of(shape, dtype, layout, WholeNumbers{2});
        check_maxima_exact(correlation_max<T>(device, probe, gallery), probe, gallery,
                           name + ", whole numbers");
        const Head<T> head{whole_numbers<T>(shape.probe_locations, 3),
                           whole_numbers<T>(shape.gallery_locations, 4), 5};
        check_exact(match_scores(device, probe, gallery, head),
                    ReferenceScores<T>(probe, gallery, head).value, name + ", whole scores");
    }
    const TestMaps probe = probe_of(shape, dtype, layout, Fractions{5});
    const TestMaps gallery = gallery_of(shape, dtype, layout, Fractions{6});
    check_maxima_within(correlation_max<T>(device, probe, gallery), probe, gallery,
                        name + ", fractions");
    const Head<T> head{fractions<T>(shape.probe_locations, 7),
                       fractions<T>(shape.gallery_locations, 8), T(0.3)};
    const ReferenceScores<T> wanted(probe, gallery, head);
    check_within(match_scores(device, probe, gallery, head), wanted.value, wanted.bound,
                 name + ", scores of fractions");
}

// Equal bits: from run to run, of a pair alone and in a block, of a self match and the same maps
// given twice, of a distance and minus the score, of (p, g) and (g, p) with equal weights.
template <typename T, typename Device>
void check_bits(const Device& device, const Shape& shape, DType dtype, Layout layout) {
    const std::string name = device.name();
    const TestMaps probe = probe_of(shape, dtype, layout, Fractions{9});
    const TestMaps gallery = gallery_of(shape, dtype, layout, Fractions{10});
    const Maxima<T> maxima = correlation_max<T>(device, probe, gallery);
    check_maxima_bits(correlation_max<T>(device, probe, gallery), maxima, name + ", again");
    const Head<T> head{fractions<T>(shape.probe_locations, 11),
                       fractions<T>(shape.gallery_locations, 12), T(-0.7)};
    const std::vector<T> scores = match_scores(device, probe, gallery, head);
    check_same_bits(match_scores(device, probe, gallery, head), scores, name + ", scores again");

    const Maxima<T> self = correlation_max_self<T>(device, probe);
    check_maxima_bits(self, correlation_max<T>(device, probe, probe), name + ", self and twice");
    const Head<T> equal{head.probe_weight, head.probe_weight, head.bias};
    std::vector<T> minus_scores = match_scores(device, probe, probe, equal);
    for (T& score : minus_scores) score = -score;
    const std::vector<T> distances =
        pairwise_distance(device, probe, equal.probe_weight, equal.bias);
    check_same_bits(distances, minus_scores, name + ", distances and minus scores");
    std::vector<T> transposed;
    for (int64_t k = 0; k < shape.probes * shape.probes; ++k) {
        transposed.push_back(distances[k % shape.probes * shape.probes + k / shape.probes]);
    }
    check_same_bits(transposed, distances, name + ", distances transposed");

    if (shape.probes == 0 || shape.galleries == 0) return;
    const int64_t p = shape.probes - 1, g = shape.galleries - 1;
    const TestMaps one_probe = probe.part(p, p + 1), one_gallery = gallery.part(g, g + 1);
    const Maxima<T> alone = correlation_max<T>(device, one_probe, one_gallery);
    const auto last = [](const auto& all, int64_t count) {
        return std::remove_const_t<std::remove_reference_t<decltype(all)>>(all.end() - count,
                                                                           all.end());
    };
    const Maxima<T> in_block{last(maxima.over_gallery, shape.probe_locations),
                             last(maxima.over_probe, shape.gallery_locations),
                             last(maxima.gallery_index, shape.probe_locations),
                             last(maxima.probe_index, shape.gallery_locations)};
    check_maxima_bits(alone, in_block, name + ", a pair alone and in a block");
    check_same_bits(match_scores(device, one_probe, one_gallery, head), last(scores, 1),
                    name + ", score alone and in a block");
}

// The gradient of a self match: that of both its parts in the two-argument match, where only the
// first plane has a gradient. Exact in whole numbers; equal bits from run to run.
template <typename T, typename Device>
void check_self_backward(const Device& device, const Shape& shape, DType dtype, Layout layout) {
    const std::string name = device.name();
    const TestMaps maps = probe_of(shape, dtype, layout, WholeNumbers{19});
    Maxima<T> gradient = reference_winners<T>(maps, maps);
    const int64_t count = shape.probes * shape.probes * shape.probe_locations;
    gradient.over_gallery = whole_numbers<T>(count, 20);
    gradient.over_probe = std::vector<T>(count, T(0));
    const std::vector<T> actual =
        correlation_max_self_backward(device, maps, gradient.over_gallery, gradient.gallery_index);
    auto wanted = ReferenceGradient<T>(maps, maps, gradient, true).value;
    const auto as_gallery = ReferenceGradient<T>(maps, maps, gradient, false).value;
    for (size_t k = 0; k < wanted.size(); ++k) wanted[k] += as_gallery[k];
    check_exact(actual, wanted, name + ", grad_features of a self match");
    check_same_bits(
        correlation_max_self_backward(device, maps, gradient.over_gallery, gradient.gallery_index),
        actual, name + ", grad_features again");
}

// The gradient through the reference's winners, exact and within bounds, and its bits.
template <typename T, typename Device>
void check_backward(const Device& device, const Shape& shape, DType dtype, Layout layout) {
    const std::string name = device.name();
    const int64_t pairs = shape.probes * shape.galleries;
    const auto gradient_of = [&](const TestMaps& probe, const TestMaps& gallery, auto numbers) {
        Maxima<T> gradient = reference_winners<T>(probe, gallery);
        gradient.over_gallery = numbers(pairs * shape.probe_locations, 13);
        gradient.over_probe = numbers(pairs * shape.gallery_locations, 14);
        return gradient;
    };
    {
        const TestMaps probe = probe_of(shape, dtype, layout, WholeNumbers{15});
        const TestMaps gallery = gallery_of(shape, dtype, layout, WholeNumbers{16});
        // Whole numbers hold zeros: locations whose gradient is skipped.
        const Maxima<T> gradient = gradient_of(probe, gallery, whole_numbers<T>);
        const Gradients<T> actual = correlation_max_backward(device, probe, gallery, gradient);
        check_exact(actual.probe, ReferenceGradient<T>(probe, gallery, gradient, true).value,
                    name + ", whole grad_probe");
        check_exact(actual.gallery, ReferenceGradient<T>(probe, gallery, gradient, false).value,
                    name + ", whole grad_gallery");
    }
    const TestMaps probe = probe_of(shape, dtype, layout, Fractions{17});
    const TestMaps gallery = gallery_of(shape, dtype, layout, Fractions{18});
    const Maxima<T> gradient = gradient_of(probe, gallery, fractions<T>);
    const Gradients<T> actual = correlation_max_backward(device, probe, gallery, gradient);
    const ReferenceGradient<T> of_probe(probe, gallery, gradient, true);
    const ReferenceGradient<T> of_gallery(probe, gallery, gradient, false);
    check_within(actual.probe, of_probe.value, of_probe.bound, name + ", grad_probe");
    check_within(actual.gallery, of_gallery.value, of_gallery.bound, name + ", grad_gallery");

    const Gradients<T> again = correlation_max_backward(device, probe, gallery, gradient);
    check_same_bits(again.probe, actual.probe, name + ", grad_probe again");
    check_same_bits(again.gallery, actual.gallery, name + ", grad_gallery again");
    const Gradients<T> first =
        correlation_max_backward(device, probe, gallery, gradient, true, false);
    const Gradients<T> second =
        correlation_max_backward(device, probe, gallery, gradient, false, true);
    check_same_bits(first.probe, actual.probe, name + ", grad_probe only");
    check_same_bits(second.gallery, actual.gallery, name + ", grad_gallery only");
    check(first.gallery.empty() && second.probe.empty(), name + ": unwanted gradients are empty");
    check_self_backward<T>(device, shape, dtype, layout);
}

}  // namespace qaconv::test
