// The contract of core/correlation_max.h and core/match_scores.h, written down plainly: slow,
// summed in a wider type than the kernels use, and sharing nothing with them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "operators.h"
#include "test_maps.h"
#include "tolerances.h"

namespace qaconv::test {

// All correlations of one pair, with the bound of each one's error.
template <typename T>
class Correlation {
  public:
    using Wide = WideOf<T>;

    Correlation(const TestMaps& probe, int64_t p, const TestMaps& gallery, int64_t g)
        : partners_(gallery.locations()) {
        const std::vector<Wide> a = locations_of(probe, p), b = locations_of(gallery, g);
        const int64_t channels = probe.channels();
        const Wide largest_product = largest_of(a) * largest_of(b);
        for (int64_t s = 0; s < probe.locations(); ++s) {
            for (int64_t r = 0; r < partners_; ++r) {
                Wide sum = 0, size = 0;
                for (int64_t c = 0; c < channels; ++c) {
                    const Wide product = a[s * channels + c] * b[r * channels + c];
                    sum += product;
                    size += std::abs(product);
                }
                sums_.push_back(sum);
                bounds_.push_back(correlation_bound<T>(channels, size, largest_product));
            }
        }
    }

    Wide sum(int64_t s, int64_t r) const { return sums_[s * partners_ + r]; }
    Wide bound(int64_t s, int64_t r) const { return bounds_[s * partners_ + r]; }

  private:
    static std::vector<Wide> locations_of(const TestMaps& maps, int64_t n) {
        std::vector<Wide> values;
        for (int64_t s = 0; s < maps.locations(); ++s) {
            for (int64_t c = 0; c < maps.channels(); ++c) values.push_back(maps.value(n, c, s));
        }
        return values;
    }

    static Wide largest_of(const std::vector<Wide>& values) {
        Wide largest = 0;
        for (const Wide& value : values) largest = std::max(largest, std::abs(value));
        return largest;
    }

    int64_t partners_;
    std::vector<Wide> sums_, bounds_;
};

// One direction of the maxima, [pairs][locations].
template <typename Wide>
struct Directed {
    std::vector<Wide> value, bound;
    std::vector<int32_t> index;
    std::vector<Wide> at_given;  // the correlation at the position another result claims

    // Appends the maximum of sum(0..count-1): a NaN above all, of equals the first.
    template <typename Sum, typename Bound>
    void append(int64_t count, Sum sum, Bound bound_of, const int32_t* given) {
        int64_t best = 0;
        Wide largest_bound = 0;
        for (int64_t k = 0; k < count; ++k) {
            largest_bound = std::max(largest_bound, bound_of(k));
            if (std::isnan(sum(best))) continue;
            if (std::isnan(sum(k)) || sum(k) > sum(best)) best = k;
        }
        value.push_back(sum(best));
        bound.push_back(largest_bound);
        index.push_back(static_cast<int32_t>(best));
        if (given == nullptr) return;
        const int64_t claimed = given[value.size() - 1];
        at_given.push_back(claimed >= 0 && claimed < count
                               ? sum(claimed)
                               : -std::numeric_limits<Wide>::infinity());
    }
};

template <typename T>
struct ReferenceMaxima {
    Directed<WideOf<T>> over_gallery, over_probe;

    ReferenceMaxima(const TestMaps& probe, const TestMaps& gallery,
                    const Maxima<T>* given = nullptr) {
        const int32_t* at_gallery = given ? given->gallery_index.data() : nullptr;
        const int32_t* at_probe = given ? given->probe_index.data() : nullptr;
        for (int64_t p = 0; p < probe.count(); ++p) {
            for (int64_t g = 0; g < gallery.count(); ++g) {
                const Correlation<T> pair(probe, p, gallery, g);
                for (int64_t s = 0; s < probe.locations(); ++s) {
                    over_gallery.append(
                        gallery.locations(), [&](int64_t r) { return pair.sum(s, r); },
                        [&](int64_t r) { return pair.bound(s, r); }, at_gallery);
                }
                for (int64_t r = 0; r < gallery.locations(); ++r) {
                    over_probe.append(
                        probe.locations(), [&](int64_t s) { return pair.sum(s, r); },
                        [&](int64_t s) { return pair.bound(s, r); }, at_probe);
                }
            }
        }
    }
};

// The reference's winners, with no gradient yet: what a backward is tested with, so that it does
// not depend on the device's own forward.
template <typename T>
Maxima<T> reference_winners(const TestMaps& probe, const TestMaps& gallery) {
    const ReferenceMaxima<T> maxima(probe, gallery);
    return {std::vector<T>(maxima.over_gallery.index.size(), 0),
            std::vector<T>(maxima.over_probe.index.size(), 0), maxima.over_gallery.index,
            maxima.over_probe.index};
}

template <typename T>
struct ReferenceScores {
    std::vector<WideOf<T>> value, bound;

    ReferenceScores(const TestMaps& probe, const TestMaps& gallery, const Head<T>& head) {
        using Wide = WideOf<T>;
        const ReferenceMaxima<T> maxima(probe, gallery);
        const int64_t s_count = probe.locations(), r_count = gallery.locations();
        for (int64_t pair = 0; pair < probe.count() * gallery.count(); ++pair) {
            Wide sum = head.bias, size = std::abs(sum), weighted_bounds = 0;
            const auto add = [&](const Directed<Wide>& side, const std::vector<T>& weight) {
                const int64_t locations = static_cast<int64_t>(weight.size());
                for (int64_t k = 0; k < locations; ++k) {
                    const Wide w = weight[k], value_k = side.value[pair * locations + k];
                    sum += w * value_k;
                    size += std::abs(w * value_k);
                    weighted_bounds += std::abs(w) * side.bound[pair * locations + k];
                }
            };
            add(maxima.over_gallery, head.probe_weight);
            add(maxima.over_probe, head.gallery_weight);
            value.push_back(sum);
            bound.push_back(score_bound<T>(s_count + r_count, weighted_bounds, size));
        }
    }
};

// The gradient to one set of maps, [count][channels][locations].
template <typename T>
struct ReferenceGradient {
    std::vector<WideOf<T>> value, bound;

    // `of_probe`: the gradient to the probes, else to the gallery.
    ReferenceGradient(const TestMaps& probe, const TestMaps& gallery, const Maxima<T>& gradient,
                      bool of_probe) {
        const TestMaps& own = of_probe ? probe : gallery;
        const TestMaps& partner = of_probe ? gallery : probe;
        own_locations_ = own.locations();
        channels_ = own.channels();
        const auto& own_gradient = of_probe ? gradient.over_gallery : gradient.over_probe;
        const auto& own_winner = of_probe ? gradient.gallery_index : gradient.probe_index;
        const auto& partner_gradient = of_probe ? gradient.over_probe : gradient.over_gallery;
        const auto& partner_winner = of_probe ? gradient.probe_index : gradient.gallery_index;
        const size_t size = static_cast<size_t>(own.count() * channels_ * own_locations_);
        value.assign(size, 0);
        bound.assign(size, 0);
        std::vector<int64_t> winners(size, 0);
        const auto add = [&](int64_t n, int64_t s, T factor, int64_t m, int64_t r) {
            if (factor == 0) return;  // a location that won nothing adds nothing, not even 0 * NaN
            for (int64_t c = 0; c < channels_; ++c) {
                const size_t at = static_cast<size_t>((n * channels_ + c) * own_locations_ + s);
                const WideOf<T> term = WideOf<T>(factor) * WideOf<T>(partner.value(m, c, r));
                value[at] += term;
                bound[at] += std::abs(term);
                ++winners[at];
            }
        };
        for (int64_t n = 0; n < own.count(); ++n) {
            for (int64_t m = 0; m < partner.count(); ++m) {
                const int64_t pair = of_probe ? n * gallery.count() + m : m * gallery.count() + n;
                for (int64_t s = 0; s < own_locations_; ++s) {
                    const int64_t at = pair * own_locations_ + s;
                    add(n, s, own_gradient[at], m, own_winner[at]);
                }
                for (int64_t r = 0; r < partner.locations(); ++r) {
                    const int64_t at = pair * partner.locations() + r;
                    add(n, partner_winner[at], partner_gradient[at], m, r);
                }
            }
        }
        for (size_t k = 0; k < size; ++k) bound[k] = gradient_bound<T>(winners[k], bound[k]);
    }

  private:
    int64_t own_locations_ = 0, channels_ = 0;
};

}  // namespace qaconv::test
