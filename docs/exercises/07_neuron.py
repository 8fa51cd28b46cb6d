"""Compute the loss, the gradient and the new weight of a neuron by hand.

The neuron predicts W x + b, with W = 2.5, b = -1 and x = 4. The target is y = 6. The loss is
half the squared error, L = (prediction - y)² / 2, and the learning rate is 0.05. Only W moves.

Replace each `...` by a number, or by its arithmetic, such as 2.5 * 4 - 1.
"""

prediction = ...
loss = ...
gradient = ...  # the slope of the loss with respect to W
new_weight = ...  # after one step of gradient descent
new_loss = ...  # of the neuron with the new weight


if __name__ == "__main__":
    from checking import run

    run(__file__)
