#include <cstring>

#include "core/maximum.h"
#include "cpu/head.h"
#include "cpu/kernels.h"
#include "cpu/narrow.h"
#include "cpu/pairs.h"

namespace qaconv::cpu {
namespace {

// The largest magnitude, infinity or NaN where any number is.
float largest_of(const float* numbers, int64_t count) {
    int32_t largest = 0;  // as integers: infinity and NaN compare above every number
    for (int64_t k = 0; k < count; ++k) {
        int32_t bits;
        std::memcpy(&bits, numbers + k, sizeof bits);
        largest = std::max(largest, bits & 0x7fffffff);
    }
    float value;
    std::memcpy(&value, &largest, sizeof value);
    return value;
}

// A Packing of PackedBlock: maps as words in panels, and as floats in slices.
class NarrowMaps {
  public:
    NarrowMaps(const Maps& maps, const WordPacking& packing)
        : maps_(maps),
          packing_(packing),
          slices_((maps.channels + kSlice - 1) / kSlice),
          floats_size_(slices_ * kSlice * maps.locations),
          words_size_(round_up(packing.map_size(maps.locations), 16)),  // whole cache lines
          floats_(floats_size_ * std::min(maps.count, kMapsPerBlock)),
          words_(words_size_ * std::min(maps.count, kMapsPerBlock)),
          largest_(std::min(maps.count, kMapsPerBlock)) {}

    bool allocated() const { return floats_ && words_ && largest_; }
    void pack_map(int64_t n, int64_t slot) {
        float* map = floats_.get() + slot * floats_size_;
        pack_slices<float>(maps_, n, kSlice, map);
        largest_.get()[slot] = largest_of(map, floats_size_);
        if (!has_words(slot)) return;
        packing_.pack(map, maps_.locations, largest_.get()[slot],
                      words_.get() + slot * words_size_);
    }

    // False where a number is not finite, or so large that rounding might make it so.
    bool has_words(int64_t slot) const {
        return largest_.get()[slot] <= std::numeric_limits<float>::max() / 2;
    }
    double magnitude(int64_t slot) const { return largest_.get()[slot]; }
    int64_t locations() const { return maps_.locations; }
    int64_t slices() const { return slices_; }
    const float* floats(int64_t slot) const { return floats_.get() + slot * floats_size_; }
    int64_t numbers() const { return floats_size_; }
    int64_t words() const { return packing_.words(); }
    PackedMap<uint32_t> packed(int64_t slot) const {
        return {words_.get() + slot * words_size_, maps_.locations};
    }
    const int32_t* starts(int64_t slot) const {
        return packing_.starts(packed(slot).data, maps_.locations);
    }

  private:
    Maps maps_;
    WordPacking packing_;
    int64_t slices_, floats_size_, words_size_;
    Buffer<float> floats_;
    Buffer<uint32_t> words_;
    Buffer<float> largest_;
};

class NarrowScratch {
  public:
    NarrowScratch(const NarrowIsa& isa, int64_t rows, int64_t columns)
        : rows_(round_up(rows, isa.row_width)),
          columns_(round_up(columns, isa.column_width)),
          numbers_(2 * rows_ + columns_ + rows_ * isa.lanes) {}

    bool allocated() const { return static_cast<bool>(numbers_); }
    Winners winners() const {
        int32_t* at = numbers_.get();
        return {at, at + rows_, at + rows_ + columns_, at + 2 * rows_ + columns_};
    }
    // In the same memory.
    PairMaxima<float> maxima() const {
        float* at = reinterpret_cast<float*>(numbers_.get());
        return {at, at + rows_, nullptr, nullptr, nullptr};
    }

  private:
    int64_t rows_, columns_;
    Buffer<int32_t> numbers_;
};

// A Method of PairWalk that makes the score of a pair.
class NarrowPairs {
  public:
    using Packing = NarrowMaps;
    using Scratch = NarrowScratch;

    NarrowPairs(const MatchScoresParams& params, Precision precision)
        : isa_(narrow_isa(precision)),
          precision_(precision),
          keys_{position_bits(params.probe.locations, params.gallery.locations)},
          steps_(narrow_steps(params.probe.channels, keys_.bits)),
          head_{static_cast<const float*>(params.probe_weight),
                static_cast<const float*>(params.gallery_weight),
                *static_cast<const float*>(params.bias)} {}

    Packing rows(const Maps& maps) const { return packed(maps, Side::kRows, isa_.row_width); }
    Packing columns(const Maps& maps) const {
        return packed(maps, Side::kColumns, isa_.column_width);
    }
    Scratch scratch(int64_t rows, int64_t columns) const { return {isa_, rows, columns}; }

    float match(const Packing& rows, int64_t p, const Packing& columns, int64_t g, int64_t channels,
                const Scratch& scratch) const {
        const float *own = rows.floats(p), *other = columns.floats(g);
        const bool finite = rows.has_words(p) && columns.has_words(g) &&
                            finite_sums<float>(rows.magnitude(p), columns.magnitude(g), channels);
        if (!finite) return match_in_float(rows, own, columns, other, scratch.maxima());
        const Winners found = scratch.winners();
        isa_.winners(rows.packed(p), rows.starts(p), columns.packed(g), rows.words(), keys_,
                     {own, other, rows.numbers(), columns.numbers()}, found);
        return isa_.weighted({own, rows.locations(), head_.row_weight, found.columns},
                             {other, columns.locations(), head_.column_weight, found.rows},
                             rows.slices()) +
               head_.bias;
    }

  private:
    Packing packed(const Maps& maps, Side side, int64_t width) const {
        const int64_t slices = (maps.channels + kSlice - 1) / kSlice;
        return {maps, {precision_, side, slices, width, steps_}};
    }

    // Any input.
    float match_in_float(const Packing& rows, const float* own, const Packing& columns,
                         const float* other, PairMaxima<float> out) const {
        for (int64_t s = 0; s < rows.locations(); ++s) {
            for (int64_t r = 0; r < columns.locations(); ++r) {
                float sum = 0;
                for (int64_t slice = 0; slice < rows.slices(); ++slice) {
                    const float* a = own + (slice * rows.locations() + s) * kSlice;
                    const float* b = other + (slice * columns.locations() + r) * kSlice;
                    for (int64_t c = 0; c < kSlice; ++c) sum += a[c] * b[c];
                }
                if (r == 0) out.over_columns[s] = sum;
                if (s == 0) out.over_rows[r] = sum;
                for (float* best : {out.over_columns + s, out.over_rows + r}) {
                    Maximum<float> maximum = Maximum<float>::first(*best, 0);
                    maximum.update(sum, 0);
                    *best = maximum.value;
                }
            }
        }
        return head_.score(out, rows.locations(), columns.locations());
    }

    const NarrowIsa& isa_;
    Precision precision_;
    Keys keys_;
    int32_t steps_;
    Head<float> head_;
};

}  // namespace

Status match_scores_narrow(const MatchScoresNarrowParams& params, ParallelFor parallel_for) {
    const MatchScoresParams& match = params.match;
    float* scores = static_cast<float*>(match.scores);
    const int64_t count = match.gallery.count;
    return walk_pairs(NarrowPairs(match, params.precision), match.probe, match.gallery, false,
                      parallel_for,
                      [=](int64_t p, int64_t g, float score) { scores[p * count + g] = score; });
}

}  // namespace qaconv::cpu
