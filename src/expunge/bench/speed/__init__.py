"""How long methods take, side by side in one run; `expunge bench speed` drives it."""
