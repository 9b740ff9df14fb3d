// The walk over all pairs that the forward ops share: blocks of packed maps, pairs dealt to threads
// in small lots, one function per pair. An op brings only what to do with a pair's maxima.
#pragma once

#include <algorithm>
#include <atomic>
#include <limits>
#include <utility>

#include "cpu/pack.h"
#include "cpu/simd_level.h"

namespace qaconv::cpu {

// Bounds the workspace; large enough that packing (once per block of partners) and the threads'
// waiting for the last of a block cost little.
constexpr int64_t kMapsPerBlock = 64;

// Maps in panels, with their largest magnitudes.
template <typename T>
class Panels {
  public:
    Panels(const Maps& maps, int64_t width)
        : maps_(maps),
          width_(width),
          map_size_(round_up(maps.locations, width) * maps.channels),
          data_(map_size_ * std::min(maps.count, kMapsPerBlock)),
          magnitude_(std::min(maps.count, kMapsPerBlock)) {}

    bool allocated() const { return data_ && magnitude_; }
    void pack_map(int64_t n, int64_t slot) {
        magnitude_.get()[slot] = pack_panels<T>(maps_, n, width_, data_.get() + slot * map_size_);
    }
    PackedMap<T> map(int64_t slot) const {
        return {data_.get() + slot * map_size_, maps_.locations};
    }
    double magnitude(int64_t slot) const { return magnitude_.get()[slot]; }

  private:
    Maps maps_;
    int64_t width_, map_size_;
    Buffer<T> data_;
    Buffer<double> magnitude_;
};

// A block of consecutive maps as some Packing (such as Panels) holds them.
template <typename Packing>
class PackedBlock {
  public:
    explicit PackedBlock(Packing packing) : packing_(std::move(packing)) {}

    bool allocated() const { return packing_.allocated(); }
    int64_t begin() const { return begin_; }
    int64_t end() const { return end_; }

    void pack(int64_t begin, int64_t end, ParallelFor parallel_for) {
        begin_ = begin;
        end_ = end;
        parallel_for(begin, end, 1, &PackedBlock::pack_range, this);
    }

    const Packing& packing() const { return packing_; }
    int64_t slot(int64_t n) const { return n - begin_; }

  private:
    static void pack_range(int64_t begin, int64_t end, void* context) {
        auto* self = static_cast<PackedBlock*>(context);
        for (int64_t n = begin; n < end; ++n) self->packing_.pack_map(n, self->slot(n));
    }

    Packing packing_;
    int64_t begin_ = 0, end_ = 0;
};

// No partial sum of two maps can exceed the product of their largest magnitudes and the channels,
// so where it is finite nothing is NaN or infinite.
template <typename T>
bool finite_sums(double magnitude, double other, int64_t channels) {
    return magnitude * other * static_cast<double>(channels) <=
           static_cast<double>(std::numeric_limits<T>::max()) / 2;
}

// What a thread writes a pair's maxima to before the op takes them.
template <typename T>
class PairScratch {
  public:
    template <typename AnyIsa>
    PairScratch(const AnyIsa& isa, int64_t rows, int64_t columns)
        : rows_(round_up(rows, isa.row_width)),
          columns_(round_up(columns, isa.column_width)),
          values_(rows_ + columns_ + rows_ * 2 * isa.lanes),
          indices_(rows_ + columns_) {}

    bool allocated() const { return values_ && indices_; }
    PairMaxima<T> get() const {
        return {values_.get(), values_.get() + rows_, indices_.get(), indices_.get() + rows_,
                values_.get() + rows_ + columns_};
    }

  private:
    int64_t rows_, columns_;
    Buffer<T> values_;
    Buffer<int32_t> indices_;
};

// A pair in the type of its sums, by the instruction set in use.
template <typename T, bool kWithIndex>
class FullPairs {
  public:
    using Packing = Panels<T>;
    using Scratch = PairScratch<T>;

    Packing rows(const Maps& maps) const { return {maps, isa_.row_width}; }
    Packing columns(const Maps& maps) const { return {maps, isa_.column_width}; }
    Scratch scratch(int64_t rows, int64_t columns) const { return {isa_, rows, columns}; }

    PairMaxima<T> match(const Packing& rows, int64_t p, const Packing& columns, int64_t g,
                        int64_t channels, const Scratch& scratch) const {
        const bool finite = finite_sums<T>(rows.magnitude(p), columns.magnitude(g), channels);
        const auto pair = !finite ? isa_.pair_any : kWithIndex ? isa_.pair_with_index : isa_.pair;
        pair(rows.map(p), columns.map(g), channels, scratch.get());
        return scratch.get();
    }

  private:
    const Isa<T>& isa_ = current_isa<T>();
};

// Calls visit(p, g, method.match(p, g)) for every pair, or with `triangle` (both sets the same
// maps) for every pair with p <= g. Which thread visits a pair changes nothing about it. Method is
// FullPairs or has what that has; what it makes of a pair are its maxima, or its score.
template <typename Method, typename Visit>
class PairWalk {
  public:
    PairWalk(const Method& method, const Maps& probe, const Maps& gallery, bool triangle,
             Visit visit)
        : method_(method),
          probe_(probe),
          gallery_(gallery),
          triangle_(triangle),
          visit_(visit),
          rows_(method_.rows(probe)),
          columns_(method_.columns(gallery)) {}

    Status run(ParallelFor parallel_for) {
        if (probe_.count == 0 || gallery_.count == 0) return Status::kOk;
        if (!rows_.allocated() || !columns_.allocated()) return Status::kOutOfMemory;
        for (int64_t p = 0; p < probe_.count; p += kMapsPerBlock) {
            rows_.pack(p, std::min(p + kMapsPerBlock, probe_.count), parallel_for);
            // With a triangle, gallery blocks left of the diagonal hold no pair.
            for (int64_t g = triangle_ ? p : 0; g < gallery_.count; g += kMapsPerBlock) {
                columns_.pack(g, std::min(g + kMapsPerBlock, gallery_.count), parallel_for);
                match_block(parallel_for);
            }
        }
        return out_of_memory_ ? Status::kOutOfMemory : Status::kOk;
    }

  private:
    // A lot is a few probes by a few gallery maps: so many pairs that each map comes from beyond
    // the second-level cache once for several of them, so few that threads finish a block together;
    // dealt by a ticket, so that a thread that was held up does not hold up the others.
    void match_block(ParallelFor parallel_for) {
        const int64_t rows = rows_.end() - rows_.begin();
        const int64_t columns = columns_.end() - columns_.begin();
        lot_columns_ = rows * columns >= 128 ? 4 : 1;
        lot_rows_ = rows * columns >= 2048 ? 4 : 1;
        lots_per_row_ = (columns + lot_columns_ - 1) / lot_columns_;
        lots_ = (rows + lot_rows_ - 1) / lot_rows_ * lots_per_row_;
        next_lot_ = 0;
        parallel_for(0, std::min(lots_, kMostThreads), 1, &PairWalk::match_lots, this);
    }

    static void match_lots(int64_t, int64_t, void* context) {
        auto* self = static_cast<PairWalk*>(context);
        const auto scratch =
            self->method_.scratch(self->probe_.locations, self->gallery_.locations);
        if (!scratch.allocated()) {
            self->out_of_memory_ = true;
            return;
        }
        for (int64_t lot; (lot = self->next_lot_.fetch_add(1)) < self->lots_;) {
            const int64_t top = self->rows_.begin() + lot / self->lots_per_row_ * self->lot_rows_;
            const int64_t left =
                self->columns_.begin() + lot % self->lots_per_row_ * self->lot_columns_;
            const int64_t bottom = std::min(top + self->lot_rows_, self->rows_.end());
            const int64_t right = std::min(left + self->lot_columns_, self->columns_.end());
            for (int64_t p = top; p < bottom; ++p) {
                for (int64_t g = self->triangle_ ? std::max(left, p) : left; g < right; ++g) {
                    self->match(p, g, scratch);
                }
            }
        }
    }

    template <typename Scratch>
    void match(int64_t p, int64_t g, const Scratch& scratch) {
        visit_(p, g,
               method_.match(rows_.packing(), rows_.slot(p), columns_.packing(), columns_.slot(g),
                             probe_.channels, scratch));
    }

    static constexpr int64_t kMostThreads = 1024;

    Method method_;
    Maps probe_, gallery_;
    bool triangle_;
    Visit visit_;
    PackedBlock<typename Method::Packing> rows_, columns_;
    int64_t lot_rows_ = 1, lot_columns_ = 1, lots_per_row_ = 0, lots_ = 0;
    std::atomic<int64_t> next_lot_{0};
    std::atomic<bool> out_of_memory_{false};
};

template <typename Method, typename Visit>
Status walk_pairs(const Method& method, const Maps& probe, const Maps& gallery, bool triangle,
                  ParallelFor parallel_for, Visit visit) {
    return PairWalk<Method, Visit>(method, probe, gallery, triangle, visit).run(parallel_for);
}

}  // namespace qaconv::cpu
