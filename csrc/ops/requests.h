// Fills the params of each op from tensors, allocating what it returns: the part of the glue that
// does not depend on the device.
#pragma once

#include <tuple>

#include "core/correlation_max.h"
#include "core/match_scores.h"
#include "ops/tensors.h"

namespace qaconv {

struct CorrelationMaxRequest {
    Tensor over_gallery, over_probe, gallery_index, probe_index;
    CorrelationMaxParams params;

    CorrelationMaxRequest(const Tensor& probe, const Tensor& gallery) {
        check_pair(probe, gallery);
        params.probe = maps_of(probe);
        params.gallery = maps_of(gallery);
        const int64_t p = probe.size(0), g = gallery.size(0);
        const int64_t s = probe.size(2), r = gallery.size(2);
        over_gallery = torch::stable::new_empty(probe, {p, g, s}, sum_type(probe));
        over_probe = torch::stable::new_empty(probe, {p, g, r}, sum_type(probe));
        gallery_index = torch::stable::new_empty(probe, {p, g, s}, index_type(r));
        probe_index = torch::stable::new_empty(probe, {p, g, r}, index_type(s));
        params.over_gallery = over_gallery.mutable_data_ptr();
        params.over_probe = over_probe.mutable_data_ptr();
        params.gallery_index = gallery_index.mutable_data_ptr();
        params.probe_index = probe_index.mutable_data_ptr();
    }

    std::tuple<Tensor, Tensor, Tensor, Tensor> result() const {
        return {over_gallery, over_probe, gallery_index, probe_index};
    }
};

struct CorrelationMaxBackwardRequest {
    Tensor grad_over_gallery, grad_over_probe, gallery_index, probe_index;
    Tensor grad_probe, grad_gallery;
    CorrelationMaxBackwardParams params;

    CorrelationMaxBackwardRequest(const Tensor& grad_over_gallery, const Tensor& grad_over_probe,
                                  const Tensor& probe, const Tensor& gallery,
                                  const Tensor& gallery_index, const Tensor& probe_index,
                                  bool want_probe, bool want_gallery) {
        check_pair(probe, gallery);
        params.probe = maps_of(probe);
        params.gallery = maps_of(gallery);
        const int64_t pairs = probe.size(0) * gallery.size(0);
        const int64_t s = probe.size(2), r = gallery.size(2);
        this->grad_over_gallery = numbers_of(grad_over_gallery, pairs * s, probe);
        this->grad_over_probe = numbers_of(grad_over_probe, pairs * r, probe);
        this->gallery_index = indices_of(gallery_index, pairs * s, r, probe);
        this->probe_index = indices_of(probe_index, pairs * r, s, probe);
        grad_probe = gradient_of(probe, want_probe);
        grad_gallery = gradient_of(gallery, want_gallery);
        params.grad_over_gallery = this->grad_over_gallery.const_data_ptr();
        params.grad_over_probe = this->grad_over_probe.const_data_ptr();
        params.gallery_index = this->gallery_index.const_data_ptr();
        params.probe_index = this->probe_index.const_data_ptr();
        params.grad_probe = want_probe ? grad_probe.mutable_data_ptr() : nullptr;
        params.grad_gallery = want_gallery ? grad_gallery.mutable_data_ptr() : nullptr;
    }

    // Shaped as the maps; without elements where it is not wanted.
    static Tensor gradient_of(const Tensor& maps, bool wanted) {
        return torch::stable::new_empty(
            maps, {wanted ? maps.size(0) : 0, maps.size(1), maps.size(2)}, sum_type(maps));
    }

    std::tuple<Tensor, Tensor> result() const { return {grad_probe, grad_gallery}; }
};

struct CorrelationMaxSelfRequest {
    Tensor maxima, index;
    CorrelationMaxSelfParams params;

    explicit CorrelationMaxSelfRequest(const Tensor& features) {
        params.features = maps_of(features);
        const int64_t n = features.size(0), s = features.size(2);
        maxima = torch::stable::new_empty(features, {n, n, s}, sum_type(features));
        index = torch::stable::new_empty(features, {n, n, s}, index_type(s));
        params.maxima = maxima.mutable_data_ptr();
        params.index = index.mutable_data_ptr();
    }

    std::tuple<Tensor, Tensor> result() const { return {maxima, index}; }
};

struct CorrelationMaxSelfBackwardRequest {
    Tensor grad_maxima, index, grad_features;
    CorrelationMaxSelfBackwardParams params;

    CorrelationMaxSelfBackwardRequest(const Tensor& grad_maxima, const Tensor& features,
                                      const Tensor& index) {
        params.features = maps_of(features);
        const int64_t n = features.size(0), s = features.size(2);
        this->grad_maxima = numbers_of(grad_maxima, n * n * s, features);
        this->index = indices_of(index, n * n * s, s, features);
        grad_features = torch::stable::new_empty(features, features.sizes(), sum_type(features));
        params.grad_maxima = this->grad_maxima.const_data_ptr();
        params.index = this->index.const_data_ptr();
        params.grad_features = grad_features.mutable_data_ptr();
    }
};

struct MatchScoresRequest {
    Tensor probe_weight, gallery_weight, bias, scores;
    MatchScoresParams params;

    MatchScoresRequest(const Tensor& probe, const Tensor& gallery, const Tensor& probe_weight,
                       const Tensor& gallery_weight, const Tensor& bias) {
        check_pair(probe, gallery);
        params.probe = maps_of(probe);
        params.gallery = maps_of(gallery);
        this->probe_weight = numbers_of(probe_weight, probe.size(2), probe);
        this->gallery_weight = numbers_of(gallery_weight, gallery.size(2), probe);
        this->bias = numbers_of(bias, 1, probe);
        scores = torch::stable::new_empty(probe, {probe.size(0), gallery.size(0)}, sum_type(probe));
        params.probe_weight = this->probe_weight.const_data_ptr();
        params.gallery_weight = this->gallery_weight.const_data_ptr();
        params.bias = this->bias.const_data_ptr();
        params.scores = scores.mutable_data_ptr();
    }
};

struct PairwiseDistanceRequest {
    Tensor weight, bias, distances;
    PairwiseDistanceParams params;

    PairwiseDistanceRequest(const Tensor& features, const Tensor& weight, const Tensor& bias) {
        params.features = maps_of(features);
        this->weight = numbers_of(weight, features.size(2), features);
        this->bias = numbers_of(bias, 1, features);
        distances = torch::stable::new_empty(features, {features.size(0), features.size(0)},
                                             sum_type(features));
        params.weight = this->weight.const_data_ptr();
        params.bias = this->bias.const_data_ptr();
        params.distances = distances.mutable_data_ptr();
    }
};

}  // namespace qaconv
