#!/bin/sh
# Prints what Snakemake asks: whether a job of Kubernetes is running, has ended well, or has failed.
conditions=$(kubectl get "$1" --output='jsonpath={.status.conditions[?(@.status=="True")].type}')
case " $conditions " in
  *" Complete "*) echo success ;;
  *" Failed "*) echo failed ;;
  *) echo running ;;
esac
