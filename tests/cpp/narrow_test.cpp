// Winners by narrow products (core/narrow.h): packing and every variant against the contract
// written down plainly, scores, bits.
#include "cpu/narrow.h"

#include <cmath>
#include <limits>
#include <vector>

#include "cases.h"
#include "check.h"
#include "cpu/pack.h"
#include "cpu_device.h"
#include "operators.h"
#include "reference.h"

namespace qaconv::test {
namespace {

constexpr Precision kPrecisions[] = {Precision::kBFloat16, Precision::kInt8};

std::string name_of(Precision precision) {
    return precision == Precision::kBFloat16 ? "bfloat16" : "int8";
}

// The rounded numbers of a map, [locations][channels].
std::vector<double> rounded(const TestMaps& maps, int64_t n, Precision precision, int32_t steps) {
    float largest = 0;
    for (int64_t c = 0; c < maps.channels(); ++c) {
        for (int64_t s = 0; s < maps.locations(); ++s) {
            largest = std::max(largest, std::abs(static_cast<float>(maps.value(n, c, s))));
        }
    }
    const float scale = largest == 0 ? 0 : static_cast<float>(steps) / largest;
    std::vector<double> result;
    for (int64_t s = 0; s < maps.locations(); ++s) {
        for (int64_t c = 0; c < maps.channels(); ++c) {
            const double value = maps.value(n, c, s);
            result.push_back(precision == Precision::kBFloat16
                                 ? kBFloat16Format.decode(kBFloat16Format.encode(value))
                                 : std::nearbyint(static_cast<float>(value) * scale));
        }
    }
    return result;
}

struct Positions {
    std::vector<int32_t> columns, rows;
};

// Of exact sums: the greatest, of equals the lowest position, of bfloat16 sums below zero the
// highest.
Positions reference_positions(const TestMaps& probe, const TestMaps& gallery, Precision precision,
                              int32_t steps) {
    const std::vector<double> a = rounded(probe, 0, precision, steps);
    const std::vector<double> b = rounded(gallery, 0, precision, steps);
    const int64_t channels = probe.channels();
    const auto sum = [&](int64_t s, int64_t r) {
        double total = 0;
        for (int64_t c = 0; c < channels; ++c) total += a[s * channels + c] * b[r * channels + c];
        return total;
    };
    const auto best = [&](int64_t count, auto value) {
        int64_t found = 0;
        for (int64_t k = 1; k < count; ++k) {
            const bool last = precision == Precision::kBFloat16 && value(found) < 0;
            if (value(k) > value(found) || (last && value(k) == value(found))) found = k;
        }
        return static_cast<int32_t>(found);
    };
    Positions result;
    for (int64_t s = 0; s < probe.locations(); ++s) {
        result.columns.push_back(best(gallery.locations(), [&](int64_t r) { return sum(s, r); }));
    }
    for (int64_t r = 0; r < gallery.locations(); ++r) {
        result.rows.push_back(best(probe.locations(), [&](int64_t s) { return sum(s, r); }));
    }
    return result;
}

struct PackedSide {
    cpu::WordPacking packing;
    std::vector<uint32_t> words;
    int64_t locations;

    PackedSide(const TestMaps& maps, Precision precision, cpu::Side side, int64_t width,
               int32_t steps)
        : packing(precision, side, (maps.channels() + cpu::kSlice - 1) / cpu::kSlice, width, steps),
          words(static_cast<size_t>(packing.map_size(maps.locations())), 0xdeadbeef),
          locations(maps.locations()) {
        std::vector<float> floats(
            static_cast<size_t>(cpu::round_up(maps.channels(), cpu::kSlice) * maps.locations()));
        cpu::pack_slices<float>(maps.maps(maps.storage().data()), 0, cpu::kSlice, floats.data());
        float largest = 0;
        for (float value : floats) largest = std::max(largest, std::abs(value));
        packing.pack(floats.data(), locations, largest, words.data());
    }
    cpu::PackedMap<uint32_t> map() const { return {words.data(), locations}; }
};

Positions positions_of(const cpu::NarrowIsa& isa, const TestMaps& probe, const TestMaps& gallery,
                       Precision precision) {
    const cpu::Keys keys{position_bits(probe.locations(), gallery.locations())};
    const int32_t steps = narrow_steps(probe.channels(), keys.bits);
    const PackedSide rows(probe, precision, cpu::Side::kRows, isa.row_width, steps);
    const PackedSide columns(gallery, precision, cpu::Side::kColumns, isa.column_width, steps);
    Positions result;
    result.columns.resize(static_cast<size_t>(cpu::round_up(rows.locations, isa.row_width)));
    result.rows.resize(static_cast<size_t>(cpu::round_up(columns.locations, isa.column_width)));
    std::vector<int32_t> codes(result.columns.size());
    std::vector<int32_t> lanes(codes.size() * static_cast<size_t>(isa.lanes));
    isa.winners(rows.map(), rows.packing.starts(rows.words.data(), rows.locations), columns.map(),
                rows.packing.words(), keys, {nullptr, nullptr, 0, 0},
                {result.columns.data(), result.rows.data(), codes.data(), lanes.data()});
    result.columns.resize(static_cast<size_t>(rows.locations));
    result.rows.resize(static_cast<size_t>(columns.locations));
    return result;
}

void check_positions(const Positions& actual, const Positions& wanted, const std::string& what) {
    check_exact(actual.columns, wanted.columns, what + ": columns");
    check_exact(actual.rows, wanted.rows, what + ": rows");
}

void check_winners(const CpuDevice& device, const Shape& shape, Precision precision) {
    const std::string name = device.name() + ", " + name_of(precision);
    const Shape one{1, 1, shape.channels, shape.probe_locations, shape.gallery_locations};
    device.choose();
    const cpu::NarrowIsa& isa = cpu::narrow_isa(precision);
    const int32_t steps =
        narrow_steps(shape.channels, position_bits(shape.probe_locations, shape.gallery_locations));
    {  // ties abound, and every sum is exact
        const TestMaps probe =
            probe_of(one, DType::kFloat32, Layout::kContiguous, WholeNumbers{51});
        const TestMaps gallery =
            gallery_of(one, DType::kFloat32, Layout::kContiguous, WholeNumbers{52});
        check_positions(positions_of(isa, probe, gallery, precision),
                        reference_positions(probe, gallery, precision, steps), name + ", whole");
    }
    const TestMaps probe = probe_of(one, DType::kFloat32, Layout::kContiguous, Fractions{53});
    const TestMaps gallery = gallery_of(one, DType::kFloat32, Layout::kContiguous, Fractions{54});
    const Positions actual = positions_of(isa, probe, gallery, precision);
    if (precision == Precision::kInt8) {
        check_positions(actual, reference_positions(probe, gallery, precision, steps), name);
    } else {
        scalar_cpu().choose();
        check_positions(actual, positions_of(cpu::narrow_isa(precision), probe, gallery, precision),
                        name + " and scalar");
    }
}

std::vector<float> scores_of(const CpuDevice& device, const TestMaps& probe,
                             const TestMaps& gallery, const Head<float>& head,
                             Precision precision) {
    const CpuDevice::Array<unsigned char> probe_data(probe.storage()),
        gallery_data(gallery.storage());
    const CpuDevice::Array<float> probe_weight(head.probe_weight),
        gallery_weight(head.gallery_weight), bias(std::vector<float>{head.bias}),
        scores(probe.count() * gallery.count());
    MatchScoresParams params;
    params.probe = probe.maps(probe_data.data());
    params.gallery = gallery.maps(gallery_data.data());
    params.probe_weight = probe_weight.data();
    params.gallery_weight = gallery_weight.data();
    params.bias = bias.data();
    params.scores = scores.data();
    check_status(device.run(MatchScoresNarrowParams{params, precision}));
    return scores.download();
}

// docs/algorithm.md: how far the product at a narrow winner may be below the greatest, twice the
// error of a narrow product. Positions take bits of a bfloat16 sum.
double winner_bound(const TestMaps& probe, const TestMaps& gallery, Precision precision) {
    const int64_t bits = position_bits(probe.locations(), gallery.locations());
    const double channels = static_cast<double>(probe.channels());
    // Of Fractions no magnitude exceeds 1.
    if (precision == Precision::kBFloat16) {
        return 2 * channels *
               (2 * 0x1p-8 + 0x1p-16 + channels * 0x1p-23 + std::ldexp(1.0, bits - 23));
    }
    const double step = 1.0 / narrow_steps(probe.channels(), bits);
    return 2 * channels * (step + step * step / 4) * 1.0001;
}

void check_scores(const Shape& shape, DType dtype, Layout layout) {
    if (computes_in_double(dtype)) return;
    const Head<float> whole{whole_numbers<float>(shape.probe_locations, 3),
                            whole_numbers<float>(shape.gallery_locations, 4), 5};
    const TestMaps probe = probe_of(shape, dtype, layout, Fractions{55});
    const TestMaps gallery = gallery_of(shape, dtype, layout, Fractions{56});
    const Head<float> head{fractions<float>(shape.probe_locations, 57),
                           fractions<float>(shape.gallery_locations, 58), 0.3f};
    const ReferenceScores<float> wanted(probe, gallery, head);
    double weights = 0;
    for (float weight : head.probe_weight) weights += std::abs(weight);
    for (float weight : head.gallery_weight) weights += std::abs(weight);
    for (Precision precision : kPrecisions) {
        auto bound = wanted.bound;
        for (auto& value : bound)
            value = 2 * value + weights * winner_bound(probe, gallery, precision);
        const std::vector<float> plain = scores_of(scalar_cpu(), probe, gallery, head, precision);
        check_within(plain, wanted.value, bound, name_of(precision) + ", scores of fractions");
        for (const CpuDevice& device : serial_cpu_devices()) {
            const std::string name = device.name() + ", " + name_of(precision);
            check_same_bits(scores_of(device, probe, gallery, head, precision), plain, name);
            check_same_bits(scores_of(device.with_threads(), probe, gallery, head, precision),
                            plain, name + ", threads");
            if (precision != Precision::kBFloat16) continue;
            // Exact sums: what ties has the same product.
            const TestMaps a = probe_of(shape, dtype, layout, WholeNumbers{1});
            const TestMaps b = gallery_of(shape, dtype, layout, WholeNumbers{2});
            check_exact(scores_of(device, a, b, whole, precision),
                        ReferenceScores<float>(a, b, whole).value, name + ", whole scores");
        }
    }
}

void a_pair_and_its_mirror() {
    const Shape shape{3, 3, 37, 35, 35};
    const TestMaps maps = probe_of(shape, DType::kFloat32, Layout::kContiguous, Fractions{59});
    const std::vector<float> weight = fractions<float>(35, 60);
    for (Precision precision : kPrecisions) {
        for (const CpuDevice& device : serial_cpu_devices()) {
            const auto scores = scores_of(device, maps, maps, {weight, weight, 0.5f}, precision);
            auto turned = scores;
            for (int64_t k = 0; k < 9; ++k) turned[k] = scores[k % 3 * 3 + k / 3];
            check_same_bits(turned, scores, device.name() + ", " + name_of(precision));
            const auto alone = scores_of(device, maps.part(2, 3), maps.part(1, 2),
                                         {weight, weight, 0.5f}, precision);
            check_same_bits(alone, {scores[7]}, device.name() + ", alone");
        }
    }
}

// As match_scores: NaN, infinities, sums that overflow, maps of zeros, and next to them.
void special_numbers() {
    const double infinity = std::numeric_limits<double>::infinity();
    const std::vector<float> weight(5, 1.0f);
    for (double special : {std::nan(""), infinity, -infinity, 3e38, 1e30, 0.0, 1e-40}) {
        const TestMaps probe(
            2, 3, 5, DType::kFloat32, Layout::kContiguous, [=](int64_t n, int64_t c, int64_t s) {
                return special == 0.0 || (n == 0 && c == 1 && s == 2) ? special : 0.5;
            });
        const TestMaps gallery(2, 3, 5, DType::kFloat32, Layout::kContiguous,
                               [](int64_t, int64_t c, int64_t s) { return c + 2.0 * s - 3; });
        const Head<float> head{weight, weight, 0};
        const std::vector<float> wanted = match_scores(scalar_cpu(), probe, gallery, head);
        for (Precision precision : kPrecisions) {
            for (const CpuDevice& device : serial_cpu_devices()) {
                const auto actual = scores_of(device, probe, gallery, head, precision);
                for (size_t k = 0; k < wanted.size(); ++k) {
                    const bool same =
                        same_value(actual[k], wanted[k]) ||
                        std::abs(actual[k] - wanted[k]) <= 0.02 * (1 + std::abs(wanted[k]));
                    check(same, device.name() + ", " + name_of(precision) + ", " + text(special) +
                                    ": got " + text(actual[k]) + ", wanted " + text(wanted[k]));
                }
            }
        }
    }
}

void steps_leave_room() {
    for (int64_t bits = 0; bits <= 15; ++bits) {
        for (int64_t channels : {int64_t{1}, int64_t{128}, int64_t{512}, kMaxNarrowChannels}) {
            const int64_t steps = narrow_steps(channels, bits);
            const int64_t largest = 2 * steps * steps * channels;
            check(steps >= 1 && steps <= 127, "steps: got " + text(steps));
            check(((largest + 1) << bits) <= int64_t{1} << 31,
                  text(channels) + " channels, " + text(bits) + " bits: no room");
        }
    }
    check(narrow_steps(128, 8) == 127, "the usual network has all steps");
}

}  // namespace
}  // namespace qaconv::test

int main() {
    using namespace qaconv;
    using namespace qaconv::test;
    run_case("steps leave room for sum and position", steps_leave_room);
    std::vector<Shape> shapes = cpu_shapes();
    shapes.push_back({1, 1, 5, 256, 257});
    shapes.push_back({1, 1, 600, 33, 20});
    for (const Shape& shape : shapes) {
        for (Precision precision : kPrecisions) {
            if (shape.probes == 0 || shape.galleries == 0) continue;
            run_case("winners: " + name_of(shape) + ", " + name_of(precision), [&] {
                for (const CpuDevice& device : serial_cpu_devices()) {
                    check_winners(device, shape, precision);
                }
            });
        }
    }
    for_each_case("scores",
                  {{2, 3, 3, 17, 5},
                   {3, 2, 37, 16, 35},
                   {1, 2, 128, 7, 192},
                   {65, 5, 5, 3, 4},
                   {0, 3, 3, 5, 6},
                   {3, 0, 3, 5, 6}},
                  check_scores);
    run_case("a pair, its mirror, and alone", a_pair_and_its_mirror);
    run_case("special numbers", special_numbers);
    return finish();
}
