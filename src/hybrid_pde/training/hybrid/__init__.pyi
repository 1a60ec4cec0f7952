from .hybrid_trainer import HybridTrainer as HybridTrainer

__all__ = ["HybridTrainer"]
