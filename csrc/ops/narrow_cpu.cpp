#include "cpu/kernels.h"
#include "cpu/narrow.h"
#include "ops/cpu_call.h"
#include "ops/requests.h"

namespace qaconv {
namespace {

Precision precision_of(int64_t number) {
    STD_TORCH_CHECK(number == 0 || number == 1, "qaconv: precision must be 0 or 1");
    return static_cast<Precision>(number);
}

Tensor match_scores_narrow(const Tensor& probe, const Tensor& gallery, const Tensor& probe_weight,
                           const Tensor& gallery_weight, const Tensor& bias, int64_t precision) {
    const MatchScoresRequest request(probe, gallery, probe_weight, gallery_weight, bias);
    STD_TORCH_CHECK(!computes_in_double(request.params.probe.dtype),
                    "qaconv: narrow products are not for float64 maps");
    STD_TORCH_CHECK(request.params.probe.channels <= kMaxNarrowChannels,
                    "qaconv: more than 131072 channels");
    check_cpu(cpu::match_scores_narrow({request.params, precision_of(precision)}, torch_threads));
    return request.scores;
}

std::string narrow_variant(int64_t precision) {
    return cpu::narrow_variant(precision_of(precision));
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(qaconv, CPU, m) {
    m.impl("match_scores_narrow", TORCH_BOX(&match_scores_narrow));
}

STABLE_TORCH_LIBRARY_IMPL(qaconv, CompositeExplicitAutograd, m) {
    m.impl("narrow_variant", TORCH_BOX(&narrow_variant));
}

}  // namespace qaconv
