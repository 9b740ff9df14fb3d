// The walk over all pairs that the forward ops share: blocks of packed maps, pairs dealt to threads
// in small lots, one function per pair. An op brings only what to do with a pair's maxima.
#pragma once

#include <algorithm>
#include <atomic>
#include <limits>

#include "cpu/pack.h"
#include "cpu/simd_level.h"

namespace qaconv::cpu {

// A block of packed maps with their largest magnitudes.
template <typename T>
class PackedBlock {
  public:
    PackedBlock(const Maps& maps, int64_t width)
        : maps_(maps),
          width_(width),
          map_size_(round_up(maps.places, width) * maps.channels),
          capacity_(std::min<int64_t>(maps.count, kMapsPerBlock)),
          data_(map_size_ * capacity_),
          magnitude_(capacity_) {}

    // Bounds the workspace; large enough that packing (once per block of partners) and the
    // threads' waiting for the last of a block cost little.
    static constexpr int64_t kMapsPerBlock = 64;

    bool allocated() const { return data_ && magnitude_; }
    int64_t begin() const { return begin_; }
    int64_t end() const { return end_; }

    void pack(int64_t begin, int64_t end, ParallelFor parallel_for) {
        begin_ = begin;
        end_ = end;
        parallel_for(begin, end, 1, &PackedBlock::pack_range, this);
    }

    PackedMap<T> map(int64_t n) const {
        return {data_.get() + (n - begin_) * map_size_, maps_.places};
    }
    double magnitude(int64_t n) const { return magnitude_.get()[n - begin_]; }

  private:
    static void pack_range(int64_t begin, int64_t end, void* context) {
        auto* self = static_cast<PackedBlock*>(context);
        for (int64_t n = begin; n < end; ++n) {
            const int64_t slot = n - self->begin_;
            self->magnitude_.get()[slot] = pack_panels<T>(
                self->maps_, n, self->width_, self->data_.get() + slot * self->map_size_);
        }
    }

    Maps maps_;
    int64_t width_, map_size_, capacity_;
    Buffer<T> data_;
    Buffer<double> magnitude_;
    int64_t begin_ = 0, end_ = 0;
};

// What a thread writes a pair's maxima to before the op takes them.
template <typename T>
class PairScratch {
  public:
    PairScratch(const Isa<T>& isa, int64_t rows, int64_t columns)
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

// Calls visit(p, g, maxima) for every pair, or with `triangle` (both sets the same maps) for every
// pair with p <= g. Which thread visits a pair changes nothing about it.
template <typename T, bool kWithIndex, typename Visit>
class PairWalk {
  public:
    PairWalk(const Maps& probe, const Maps& gallery, bool triangle, Visit visit)
        : isa_(current_isa<T>()),
          probe_(probe),
          gallery_(gallery),
          triangle_(triangle),
          visit_(visit),
          rows_(probe, isa_.row_width),
          columns_(gallery, isa_.column_width) {}

    Status run(ParallelFor parallel_for) {
        if (probe_.count == 0 || gallery_.count == 0) return Status::kOk;
        if (!rows_.allocated() || !columns_.allocated()) return Status::kOutOfMemory;
        constexpr int64_t kBlock = PackedBlock<T>::kMapsPerBlock;
        for (int64_t p = 0; p < probe_.count; p += kBlock) {
            rows_.pack(p, std::min(p + kBlock, probe_.count), parallel_for);
            // With a triangle, gallery blocks left of the diagonal hold no pair.
            for (int64_t g = triangle_ ? p : 0; g < gallery_.count; g += kBlock) {
                columns_.pack(g, std::min(g + kBlock, gallery_.count), parallel_for);
                match_block(parallel_for);
            }
        }
        return out_of_memory_ ? Status::kOutOfMemory : Status::kOk;
    }

  private:
    // A lot is a few gallery maps of one probe: small, so that threads finish a block together;
    // dealt by a ticket, so that a thread that was held up does not hold up the others.
    void match_block(ParallelFor parallel_for) {
        const int64_t rows = rows_.end() - rows_.begin();
        const int64_t columns = columns_.end() - columns_.begin();
        lot_ = rows * columns >= 128 ? 4 : 1;
        lots_per_row_ = (columns + lot_ - 1) / lot_;
        lots_ = rows * lots_per_row_;
        next_lot_ = 0;
        parallel_for(0, std::min(lots_, kMostThreads), 1, &PairWalk::match_lots, this);
    }

    static void match_lots(int64_t, int64_t, void* context) {
        auto* self = static_cast<PairWalk*>(context);
        PairScratch<T> scratch(self->isa_, self->probe_.places, self->gallery_.places);
        if (!scratch.allocated()) {
            self->out_of_memory_ = true;
            return;
        }
        for (int64_t lot; (lot = self->next_lot_.fetch_add(1)) < self->lots_;) {
            const int64_t p = self->rows_.begin() + lot / self->lots_per_row_;
            const int64_t first = self->columns_.begin() + lot % self->lots_per_row_ * self->lot_;
            const int64_t last = std::min(first + self->lot_, self->columns_.end());
            for (int64_t g = self->triangle_ ? std::max(first, p) : first; g < last; ++g) {
                self->match(p, g, scratch.get());
            }
        }
    }

    void match(int64_t p, int64_t g, PairMaxima<T> out) {
        // No partial sum can exceed this product, so where it is finite nothing is NaN or infinite.
        const double bound =
            rows_.magnitude(p) * columns_.magnitude(g) * static_cast<double>(probe_.channels);
        const bool finite = bound <= static_cast<double>(std::numeric_limits<T>::max()) / 2;
        const auto pair = !finite ? isa_.pair_any : kWithIndex ? isa_.pair_with_index : isa_.pair;
        pair(rows_.map(p), columns_.map(g), probe_.channels, out);
        visit_(p, g, out);
    }

    static constexpr int64_t kMostThreads = 1024;

    const Isa<T>& isa_;
    Maps probe_, gallery_;
    bool triangle_;
    Visit visit_;
    PackedBlock<T> rows_, columns_;
    int64_t lot_ = 1, lots_per_row_ = 0, lots_ = 0;
    std::atomic<int64_t> next_lot_{0};
    std::atomic<bool> out_of_memory_{false};
};

template <typename T, bool kWithIndex, typename Visit>
Status walk_pairs(const Maps& probe, const Maps& gallery, bool triangle, ParallelFor parallel_for,
                  Visit visit) {
    return PairWalk<T, kWithIndex, Visit>(probe, gallery, triangle, visit).run(parallel_for);
}

}  // namespace qaconv::cpu
