"""Speed and memory of the operators against plain PyTorch: ``python -m qaconv_ext.benchmark``."""
