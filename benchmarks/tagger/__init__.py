"""How ``models/tagger.safetensors`` is learnt: calls are sounded and heard, and a network learns from them."""
