#!/bin/sh
# Prints for Snakemake whether a job of Kubernetes is running, has succeeded, or has failed.
conditions=$(kubectl get "$1" --output='jsonpath={.status.conditions[?(@.status=="True")].type}')
case " $conditions " in
  *" Complete "*) echo success ;;
  *" Failed "*) echo failed ;;
  *) echo running ;;
esac
