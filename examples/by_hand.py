"""What does backpropagation do, step by step, on a neuron that one can check by hand?

One neuron, prediction = W x + b, with W = 2, x = 1, b = -0.5 and the target y = 3. Its loss is half
the squared error. The program prints each line of the chain rule with the numbers of the engine.
Then W makes one step of gradient descent with learning rate 0.1.
"""

from pathlib import Path

from tinygrad_edu import Value, draw, optim


def main(out=Path("out/by_hand")):
    out.mkdir(parents=True, exist_ok=True)
    w = Value(2.0, name="W")
    b = Value(-0.5, name="b")
    x = Value(1.0, requires_grad=False, name="x")
    y = Value(3.0, requires_grad=False, name="y")

    product = w * x
    prediction = product + b
    error = prediction - y
    loss = 0.5 * error**2
    for name, node in {"prediction": prediction, "error": error, "loss": loss}.items():
        node.name = name

    print("Forward")
    print(f"  prediction = W x + b       = {w.data} * {x.data} + {b.data} = {prediction.data}")
    print(f"  error = prediction - y     = {prediction.data} - {y.data} = {error.data}")
    print(f"  loss = 1/2 error^2         = 1/2 * ({error.data})^2 = {loss.data}")

    slopes = {}
    loss.backward(watch=lambda node, g, contributions: slopes.update({node: g}))
    d_error, d_prediction = slopes[error], slopes[prediction]
    print("Backward, by the chain rule")
    print(f"  dL/derror      = error                         = {d_error}")
    print(f"  dL/dprediction = dL/derror * 1                 = {d_prediction}")
    print(f"  dL/db          = dL/dprediction * 1            = {b.grad}")
    print(f"  dL/dW          = dL/dprediction * x = {d_prediction} * {x.data} = {w.grad}")
    draw(loss).save(out / "by_hand.svg")

    before = w.data
    optim.SGD([w], lr=0.1).step()
    print("One step of gradient descent")
    print(f"  W = W - lr * dL/dW = {before} - 0.1 * {w.grad} = {w.data}")
    print(f"the picture: {out / 'by_hand.svg'}")
    return prediction.data, loss.data, w.grad, w.data


if __name__ == "__main__":
    main()
