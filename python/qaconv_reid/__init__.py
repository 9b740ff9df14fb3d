"""Person re-identification with QAConv and graph sampling: data, models, training, evaluation."""
