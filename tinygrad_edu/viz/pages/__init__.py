"""Interactive pages: players, quizzes, graphs with sliders, and live curves of a training."""
