"""What a run is: typed settings, from a TOML file of what differs from the defaults."""

from qaconv_reid.config.errors import ConfigError
from qaconv_reid.config.files import (
    CONFIG_FILE,
    PRESET_FOLDER,
    differences,
    json_schema,
    load,
    presets,
    to_toml,
)
from qaconv_reid.config.sections import (
    AugmentationConfig,
    DataConfig,
    EvaluationConfig,
    LossConfig,
    MatcherConfig,
    ModelConfig,
    OptimizerConfig,
    RunConfig,
    RuntimeConfig,
    SamplerConfig,
    ScheduleConfig,
    StartConfig,
)

__all__ = [
    "CONFIG_FILE",
    "PRESET_FOLDER",
    "AugmentationConfig",
    "ConfigError",
    "DataConfig",
    "EvaluationConfig",
    "LossConfig",
    "MatcherConfig",
    "ModelConfig",
    "OptimizerConfig",
    "RunConfig",
    "RuntimeConfig",
    "SamplerConfig",
    "ScheduleConfig",
    "StartConfig",
    "differences",
    "json_schema",
    "load",
    "presets",
    "to_toml",
]
